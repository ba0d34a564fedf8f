"""Runs behind proxies that repeat requests and caches that answer for the server."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from deployments.processes import free_port, listening

from bitpeak_async import (
    BitPeak,
    DuplicateError,
    EmailSettings,
    HandlerSpec,
    ReplyError,
    Report,
    Retry,
)
from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.deployments

REPEATS = """
defaults
  mode http
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  retries 3
  retry-on all-retryable-errors
listen front
  {options}
  bind 127.0.0.1:{port}
  server origin 127.0.0.1:{origin}
"""
CACHE = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{ worker_connections 512; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=all:1m;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{origin};
      proxy_cache all; proxy_cache_valid 200 {seconds}s; {options}
      proxy_ignore_headers Cache-Control Expires Set-Cookie;
    }}
  }}
}}
"""
NO_CACHE = "proxy_no_cache $http_authorization; proxy_cache_bypass $http_authorization;"
SAYS_SO = "add_header X-Cache-Status $upstream_cache_status;"
VARNISH = """
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_recv {{ if (req.method == "GET") {{ return (hash); }} return (pass); }}
sub vcl_backend_response {{ set beresp.ttl = {seconds}s; return (deliver); }}
"""
NO_REPEATS = "http-request disable-l7-retry if METH_POST"
HAPROXY = ["haproxy", "-q", "-f", "{config}"]
NGINX = ["nginx", "-c", "{config}"]
VARNISHD = ["varnishd", "-F", "-j", "none", "-s", "malloc,8m", "-n", "{folder}/v"]
VARNISHD += ["-f", "{config}", "-a", "127.0.0.1:{port}"]
FRONTS = {
    "haproxy": (HAPROXY, REPEATS),
    "nginx": (NGINX, CACHE),
    "varnish": (VARNISHD, VARNISH),
}
SPECS = [HandlerSpec(f"Team {number}", EmailSettings("a@example.com")) for number in range(20)]
ONCE = {spec.name: 1 for spec in SPECS}
QUICK = Retry(base_delay=0.2, unknown_outcome_delay=0.2, duplicate_check_delay=0.2)


async def provision(port: int, sandbox: Sandbox, specs: Sequence[HandlerSpec] = SPECS) -> Report:
    base_url = f"http://127.0.0.1:{port}/api"
    async with BitPeak(sandbox.api_key, base_url=base_url, retry=QUICK) as bitpeak:
        return await bitpeak.provision(specs)


def copies(sandbox: Sandbox) -> Counter[str]:
    return Counter(handler["name"] for handler in sandbox.handlers)


def front(
    name: str, sandbox: Sandbox, folder: Path, **options: object
) -> tuple[int, AbstractContextManager[None]]:
    """Run a front before a sandbox; return its port and the context in which it runs."""
    command, template = FRONTS[name]
    config = folder / "config"
    words = {
        "port": free_port(),
        "origin": urlsplit(sandbox.base_url).port,
        "folder": folder,
        "config": config,
    }
    config.write_text(template.format(**words, **options))
    running = listening([word.format(**words) for word in command], words["port"], folder)
    return words["port"], running


async def test_a_run_removes_the_copy_that_it_knows_of_a_repeated_create(
    threaded_sandbox: Sandbox, tmp_path: Path
):
    for name in list(ONCE)[:3]:  # each once, because a copy of a copy would be unknown
        threaded_sandbox.inject(
            Fault.disconnect_after_commit(),
            method="POST",
            when=lambda request, name=name: request.fields["name"] == name,
        )
    port, running = front("haproxy", threaded_sandbox, tmp_path, options="")
    with running:
        report = await provision(port, threaded_sandbox)
    assert 3 == len(report.adopted)
    assert report.ok
    assert report.is_verified
    assert ONCE == copies(threaded_sandbox)


async def test_copies_that_a_run_does_not_know_of_are_unresolved(
    threaded_sandbox: Sandbox, tmp_path: Path
):
    threaded_sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=2)
    port, running = front("haproxy", threaded_sandbox, tmp_path, options="")
    with running:
        report = await provision(port, threaded_sandbox, SPECS[:1])
    [outcome] = report.unresolved
    assert isinstance(outcome.error, DuplicateError)
    assert {SPECS[0].name: 2} == copies(threaded_sandbox)


async def test_a_cache_that_hides_itself_leaves_all_unresolved_and_later_all_in_conflict(
    threaded_sandbox: Sandbox, tmp_path: Path
):
    port, running = front("nginx", threaded_sandbox, tmp_path, seconds=600, options="")
    with running:
        reports = [await provision(port, threaded_sandbox) for _ in range(2)]
    assert [len(SPECS)] * 2 == [len(report.unresolved) for report in reports]
    direct = urlsplit(threaded_sandbox.base_url).port
    assert direct is not None
    assert len(SPECS) == len((await provision(direct, threaded_sandbox)).failed)


@pytest.mark.parametrize("name", ["nginx", "varnish"])
async def test_a_cache_that_shows_itself_is_refused_before_anything_is_created_twice(
    name: str, threaded_sandbox: Sandbox, tmp_path: Path
):
    options = {"options": SAYS_SO} if name == "nginx" else {}
    port, running = front(name, threaded_sandbox, tmp_path, seconds=600, **options)
    with running:
        report = await provision(port, threaded_sandbox)
        assert not report.is_verified
        assert "a cache answered" in report.warnings[0]
        with pytest.raises(ReplyError, match="a cache answered"):
            await provision(port, threaded_sandbox)
    assert ONCE == copies(threaded_sandbox)


@pytest.mark.parametrize("options", [SAYS_SO, ""])
async def test_a_run_outwaits_a_short_cache(
    options: str, threaded_sandbox: Sandbox, tmp_path: Path
):
    port, running = front("nginx", threaded_sandbox, tmp_path, seconds=1, options=options)
    with running:
        report = await provision(port, threaded_sandbox)
        assert report.ok
        assert report.is_verified
    assert ONCE == copies(threaded_sandbox)


@pytest.mark.parametrize(("name", "options"), [("haproxy", NO_REPEATS), ("nginx", NO_CACHE)])
async def test_the_documented_configuration_keeps_fronts_from_repeating_and_caching(
    name: str, options: str, threaded_sandbox: Sandbox, tmp_path: Path
):
    threaded_sandbox.inject(Fault.disconnect_after_commit(), method="POST", times=3)
    port, running = front(name, threaded_sandbox, tmp_path, seconds=600, options=options)
    with running:
        first, second = [await provision(port, threaded_sandbox) for _ in range(2)]
    assert (len(SPECS), True) == (len(first.created), first.is_verified)
    assert len(SPECS) == len(second.unchanged)
    posts = [request for request in threaded_sandbox.requests if request.method == "POST"]
    assert len(SPECS) == len(posts)
