"""The synchronous client where a process is interrupted, exits, forks, or serves."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from chaos_proxy import proxy

from bitpeak_async.sandbox import Fault, Sandbox
from bitpeak_async.sandbox.thread import entered_in_thread

PATIENCE = 30  # seconds, for what takes some milliseconds
PYTHON = [sys.executable, "-P", "-W", "error", "-W", "ignore::DeprecationWarning", "-c"]
# Before https://github.com/python/cpython/issues/113964 was mended no thread could begin there.
AT_EXIT = (
    "the loop thread cannot start: can't create new thread at interpreter shutdown\n"
    if (3, 12) <= sys.version_info < (3, 12, 2)
    else "100\n"
)
PRELUDE = """
import gc, os, signal, sys, threading, time
from bitpeak_async import *
from bitpeak_async.sync import shutdown

def tell(*words):
    print(*words, flush=True)
"""


class Script:
    """A running Python, told what to do line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def says(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, line: str = "") -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def ends(self) -> tuple[int, str]:
        """Return (exit code, what it printed to both)."""
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out + err


@pytest.fixture
def script(threaded_sandbox: Sandbox) -> Iterator[Callable[..., Script]]:
    """Run code in a Python of its own; BITPEAK_… point to ``threaded_sandbox``."""
    running = []

    def start(code: str, **env: str) -> Script:
        address = {
            "BITPEAK_API_KEY": threaded_sandbox.api_key,
            "BITPEAK_BASE_URL": threaded_sandbox.base_url,
        }
        process = subprocess.Popen(
            [*PYTHON, PRELUDE + code],
            env={**os.environ, **address, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return Script(process)

    yield start
    for process in running:
        process.kill()
        process.communicate()


def wait_for(condition: Callable[[], Any]) -> None:
    """Wait for what another process does and nobody tells of."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.001)


# Ctrl-C


@pytest.mark.parametrize(
    ("call", "method", "after"),
    [
        ("handlers.get(1)", "GET", 0),
        ("list(handlers.iterate(results_per_page=10))", "GET", 2),
        ("list(handlers.pages(results_per_page=10))", "GET", 2),
        ("list(handlers.create_many([HandlerSpec('a', EmailSettings('a@b.c'))] * 40))", "POST", 9),
    ],
)
def test_ctrl_c_interrupts_a_call(
    call: str, method: str, after: int, script: Callable[..., Script], threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(40 - after * (method == "POST"))
    threaded_sandbox.inject(Fault.stall(), method=method, after=after, times=None)
    running = script(f"""
with SyncBitPeak() as bitpeak:
    handlers = bitpeak.notification_handlers
    try:
        {call}
    except KeyboardInterrupt:
        tell("interrupted")
    sys.stdin.readline()
    tell(len(list(handlers.iterate())))
""")
    stalled = 16 if method == "POST" else 1
    wait_for(
        lambda: len(threaded_sandbox.requests) > after and threaded_sandbox.in_flight >= stalled
    )
    began = time.monotonic()
    running.interrupt()
    assert "interrupted" == running.says()
    assert time.monotonic() - began < 1
    threaded_sandbox.clear_faults()
    running.tell()
    assert (0, "40\n") == running.ends()


def test_ctrl_c_waits_for_the_cleanup_and_a_second_does_not(script: Callable[..., Script]):
    code = """
import asyncio
async def coroutine(seconds):
    try:
        tell("begun")
        await asyncio.sleep(60)
    finally:
        tell("cleaning up")
        await asyncio.sleep(seconds)
        tell("clean")

bitpeak = SyncBitPeak()
for seconds in (0.1, 60):
    try:
        bitpeak._runner.run(lambda: coroutine(seconds))
    except KeyboardInterrupt:
        tell("interrupted")
"""
    running = script(code)
    assert "begun" == running.says()
    running.interrupt()
    assert ["cleaning up", "clean", "interrupted"] == [running.says() for _ in range(3)]
    assert "begun" == running.says()
    running.interrupt()
    assert "cleaning up" == running.says()
    running.interrupt()
    assert (0, "interrupted\n") == running.ends()


def test_ctrl_c_tells_what_an_apply_did(script: Callable[..., Script], threaded_sandbox: Sandbox):
    threaded_sandbox.inject(Fault.stall(), method="POST", after=20, times=None)
    running = script("""
specs = [HandlerSpec(f"n{n}", EmailSettings("a@example.com")) for n in range(100)]
with SyncBitPeak(pace=Pace(in_flight=4)) as bitpeak:
    try:
        bitpeak.provision(specs, grace=0.1)
    except KeyboardInterrupt as interruption:
        report = interruption.__cause__.report
        tell(len(report.created), len(report.unresolved))
""")
    wait_for(lambda: threaded_sandbox.in_flight == 4 and len(threaded_sandbox.handlers) == 20)
    running.interrupt()
    assert (0, "20 4\n") == running.ends()


# Exit


@pytest.mark.parametrize(
    "code",
    [
        "bitpeak.notification_handlers.list()",
        "iterator = bitpeak.notification_handlers.iterate(results_per_page=10); next(iterator)",
        """
threading.Thread(target=bitpeak.notification_handlers.get, args=[404], daemon=True).start()
""",
        """
def at_exit():
    try:
        tell(bitpeak.notification_handlers.list().meta.total)
    except ClosedError as error:
        tell(error)
import atexit
atexit.register(at_exit)
""",
        """
def at_exit():
    try:
        SyncBitPeak().notification_handlers.list()
    except ClosedError as error:
        tell(error)
    bitpeak.close()
import atexit
from bitpeak_async.sync import portal
atexit.unregister(portal._stop_at_exit)
atexit.register(at_exit)
atexit.register(portal._stop_at_exit)
bitpeak.notification_handlers.list()
""",
    ],
    ids=["not closed", "open iterator", "in flight", "used at exit", "used at exit too late"],
)
def test_exit_needs_no_close(code: str, script: Callable[..., Script], threaded_sandbox: Sandbox):
    """An exit handler registered before the import runs last: the thread has gone by then."""
    threaded_sandbox.seed_handlers(100)
    threaded_sandbox.inject(Fault.stall(), path="*/404", times=None)
    running = script(f"bitpeak = SyncBitPeak()\n{code}\ntell('ready')\nsys.stdin.readline()")
    assert "ready" == running.says()
    if "404" in code:
        wait_for(lambda: threaded_sandbox.in_flight)
    began = time.monotonic()
    running.tell()
    code_, printed = running.ends()
    assert time.monotonic() - began < 3
    expected = "the interpreter is exiting\n" if "unregister" in code else ""
    expected = expected or (AT_EXIT if "atexit" in code else "")
    assert (0, expected) == (code_, printed)


def test_nothing_is_left_after_close_and_shutdown(script: Callable[..., Script]):
    running = script("""
def left():
    return sorted(os.listdir("/dev/fd")), threading.enumerate()

SyncBitPeak().close()
before = left()
for _ in range(3):
    with SyncBitPeak() as bitpeak, SyncBitPeak() as unclosed:
        bitpeak.notification_handlers.list()
        next(bitpeak.notification_handlers.pages(), None)
    SyncBitPeak().notification_handlers.list()
    shutdown()
    assert before == left(), (before, left())
""")
    assert (0, "") == running.ends()


# Fork

ACTIONS = {
    "collect": "del bitpeak, handlers, iterator; gc.collect()",
    "close": "iterator.close(); bitpeak.close(); shutdown()",
    "exit": "",
    "break": """
import asyncio
for transport in [each for each in gc.get_objects() if isinstance(each, asyncio.Transport)]:
    transport.close()  # as finalizers of other versions may do
    transport.abort()
""",
    "call": "assert handlers.get(1).id == 1; list(handlers.iterate())",
}
FORKING = """
import ctypes, ssl
fork = {fork}
trust = os.environ.get("TRUST")
bitpeak = SyncBitPeak(ssl=ssl.create_default_context(cafile=trust) if trust else None)
handlers = bitpeak.notification_handlers
iterator = handlers.iterate(results_per_page=10)
next(iterator)
results = []

def request():
    try:
        results.append(handlers.create("n", EmailSettings("a@example.com")))
    except BaseException as error:
        results.append(error)

for action in {actions!r}:
    thread = threading.Thread(target=request, daemon=True)
    thread.start()
    sys.stdin.readline()
    # Without hooks, a thread that wants Python's lock at this moment leaves it broken in the child.
    time.sleep(0.03)
    child = fork()
    if child == 0:
        signal.alarm({patience})
        thread = None
        exec(action)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
    tell("child is gone")
    thread.join()
    tell(type(results.pop()).__name__)
assert sum(1 for _ in iterator) >= 39
"""


@pytest.fixture(params=["plain", "tls"])
def address(
    request: pytest.FixtureRequest, threaded_sandbox: Sandbox, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """The environment that leads to the sandbox, with or without TLS in front of it."""
    if request.param == "plain":
        yield {}
        return
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    port = urlsplit(threaded_sandbox.base_url).port
    with entered_in_thread(proxy(port, lambda: ("pass", 0, False), ssl=context)) as secure:
        yield {
            "BITPEAK_BASE_URL": f"https://localhost:{secure}/api",
            "TRUST": str(tmp_path / "ca.pem"),
        }


def test_a_forked_child_does_not_disturb_its_parent(
    script: Callable[..., Script], address: dict[str, str], threaded_sandbox: Sandbox
):
    """Whatever it does with the client it inherited: 20 creates under way, 20 forks.

    Any other request would be sent again after a disconnect, and nobody would know.
    """
    threaded_sandbox.seed_handlers(40)
    threaded_sandbox.inject(Fault.slow(0.15), method="POST", times=None)
    actions = list(islice(cycle(ACTIONS.values()), 20))
    running = script(FORKING.format(patience=PATIENCE, fork="os.fork", actions=actions), **address)
    for _ in range(20):
        fork_during_a_create(running, threaded_sandbox)
    assert 60 == len(threaded_sandbox.handlers)
    assert 0 == running.ends()[0]


def test_a_fork_by_c_code_that_runs_no_hooks_is_noticed(
    script: Callable[..., Script], threaded_sandbox: Sandbox
):
    """As uWSGI's. But for "break": nobody knows of the fork before the client is used."""
    threaded_sandbox.seed_handlers(40)
    threaded_sandbox.inject(Fault.slow(0.15), method="POST", times=None)
    actions = [ACTIONS[name] for name in ("collect", "close", "exit", "call")]
    running = script(
        FORKING.format(patience=PATIENCE, fork="ctypes.PyDLL(None).fork", actions=actions)
    )
    for _ in actions:
        fork_during_a_create(running, threaded_sandbox)
    assert (0, "") == running.ends()


def fork_during_a_create(running: Script, sandbox: Sandbox) -> None:
    wait_for(lambda: sandbox.in_flight or running.process.poll() is not None)
    running.tell()
    assert "child is gone" == running.says(), running.ends()
    assert "int" == running.says()


def test_a_child_cannot_go_on_with_what_its_parent_began(
    script: Callable[..., Script], threaded_sandbox: Sandbox
):
    threaded_sandbox.seed_handlers(40)
    running = script("""
with SyncBitPeak() as bitpeak:
    iterator = bitpeak.notification_handlers.iterate(results_per_page=10)
    next(iterator)
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        tell(len(list(iterator)))
    else:
        assert len([next(iterator) for _ in range(9)]) == 9  # of the page it had got
        try:
            next(iterator)
        except ClosedError as error:
            tell(error)
""")
    code, printed = running.ends()
    assert (0, "this call began before the process forked; call again\n39\n") == (code, printed)


@pytest.mark.parametrize(
    "code",
    [
        """
def fork(outcome=None):
    global child
    if child is None:
        child = os.fork()

bitpeak.provision(specs, on_outcome=fork)
""",
        """
def fork():
    global child
    yield from specs[:3]
    child = os.fork()
    yield from specs[3:]

list(bitpeak.notification_handlers.create_many(fork()))
""",
    ],
    ids=["on_outcome", "specs"],
)
def test_a_child_forked_in_the_middle_of_a_call_does_not_wait_for_it(
    code: str, script: Callable[..., Script], threaded_sandbox: Sandbox
):
    running = script(f"""
specs = [HandlerSpec(f"n{{n}}", EmailSettings("a@example.com")) for n in range(20)]
child = None
bitpeak = SyncBitPeak()
try:
    {code.strip().replace(chr(10), chr(10) + "    ")}
except ClosedError as error:
    assert child == 0
    assert "before the process forked" in str(error)
    assert bitpeak.notification_handlers.list().meta.total
    sys.exit(7)
assert 7 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
""")
    assert (0, "") == running.ends()
    assert 20 == len(threaded_sandbox.handlers)


def test_a_fork_of_a_fork_leaves_the_applications_files_alone(
    script: Callable[..., Script], threaded_sandbox: Sandbox
):
    """What the first child had lost and closed, its files may have taken the numbers of."""
    running = script("""
bitpeak = SyncBitPeak()
bitpeak.notification_handlers.list()
selector = bitpeak._runner.portal()._selector
numbers = [key.fd for key in selector.get_map().values()] + [selector.fileno()]
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
    tell(bitpeak.notification_handlers.list().meta.total)
else:
    reader, writer = os.pipe()
    for number in numbers:
        os.dup2(writer, number)
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0
        assert os.read(reader, 100) == b"x" * len(numbers)
    else:
        for number in numbers:
            os.write(number, b"x")
    os._exit(0)
""")
    assert (0, "0\n") == running.ends()


def test_a_child_warns_of_no_session_of_its_parent(script: Callable[..., Script]):
    running = script("""
bitpeak = SyncBitPeak()
bitpeak.notification_handlers.list()
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
bitpeak.notification_handlers.list()
""")
    assert (0, "") == running.ends()


def test_a_fork_after_a_shutdown_is_quiet(script: Callable[..., Script]):
    running = script("""
SyncBitPeak().notification_handlers.list()
shutdown()
if child := os.fork():
    assert os.waitpid(child, 0)[1] == 0
SyncBitPeak().notification_handlers.list()
""")
    assert (0, "") == running.ends()


SERVICE = """
import os
from bitpeak_async import SyncBitPeak

bitpeak = SyncBitPeak()
bitpeak.notification_handlers.list()  # so the thread runs before the workers are forked


def app(environ, start_response):
    total = bitpeak.notification_handlers.list().meta.total
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{os.getpid()} {total}".encode()]
"""


@pytest.mark.gunicorn
def test_gunicorn_serves_from_each_preloaded_worker(threaded_sandbox: Sandbox, tmp_path: Path):
    threaded_sandbox.seed_handlers(3)
    (tmp_path / "service.py").write_text(SERVICE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "gunicorn", "--preload", "--workers=2", "--threads=4"]
    with subprocess.Popen(
        [*command, f"--bind=127.0.0.1:{port}", "service:app"],
        cwd=tmp_path,
        env={
            **os.environ,
            "BITPEAK_API_KEY": threaded_sandbox.api_key,
            "BITPEAK_BASE_URL": threaded_sandbox.base_url,
        },
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        booted = 0
        while booted < 2:
            told = server.stderr.readline()
            assert told, server.wait(PATIENCE)
            booted += "Booting worker" in told
        pids = set()

        def ask(_: int) -> None:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}", timeout=PATIENCE) as reply:
                pid, total = reply.read().decode().split()
            assert "3" == total
            pids.add(pid)

        with ThreadPoolExecutor(8) as pool:
            while len(pids) < 2:
                list(pool.map(ask, range(40)))
        server.terminate()
        assert 0 == server.wait(PATIENCE), server.stderr.read()
