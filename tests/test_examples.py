"""The example services start, are called over HTTP, and do at BitPeak what they were asked."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bitpeak_async.sandbox import Fault, Sandbox

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
COMMANDS = {
    "fastapi_app.py": ["-m", "uvicorn", "fastapi_app:app", "--port"],
    "aiohttp_app.py": ["aiohttp_app.py"],
    "django_app.py": ["django_app.py", "runserver", "--noreload"],
}

Call = Callable[..., tuple[int, Any]]


def call(port: int, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        content = None if body is None else json.dumps(body)
        connection.request(method, path, content, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def wait_until_it_listens(service: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and service.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    service.kill()
    pytest.fail(f"it does not listen: {service.communicate()[0]}")


@pytest.fixture(params=COMMANDS)
def service(request: pytest.FixtureRequest, threaded_sandbox: Sandbox) -> Iterator[Call]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = COMMANDS[request.param]
    with subprocess.Popen(
        [sys.executable, *command, *([] if request.param == "aiohttp_app.py" else [str(port)])],
        cwd=EXAMPLES,
        env={
            **os.environ,
            "BITPEAK_API_KEY": threaded_sandbox.api_key,
            "BITPEAK_BASE_URL": threaded_sandbox.base_url,
            "PORT": str(port),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    ) as process:
        wait_until_it_listens(process, port)
        yield lambda *arguments: call(port, *arguments)
        process.terminate()
        output, _ = process.communicate(timeout=30)
        assert "Traceback" not in output, output


def test_every_example_is_started():
    assert sorted(COMMANDS) == sorted(path.name for path in EXAMPLES.glob("*.py"))


def test_a_service_creates_lists_shows_and_tells_of_failures(
    service: Call, threaded_sandbox: Sandbox
):
    inbox = {"name": "Навбатчи", "email": "on-call@example.com"}
    assert (201, {"id": 1}) == service("POST", "/handlers", inbox)
    [handler] = threaded_sandbox.handlers
    assert ("Навбатчи", {"email": "on-call@example.com"}) == (handler["name"], handler["settings"])

    assert (200, ["Навбатчи"]) == service("GET", "/handlers")
    status, shown = service("GET", "/handlers/1")
    assert (200, handler["settings"], 1) == (status, shown["settings"], shown["id"])

    status, answer = service("GET", "/handlers/7")
    assert 404 == status
    assert "get notification handler 7: 404" in answer["error"]

    threaded_sandbox.inject(Fault(status=403))
    status, answer = service("GET", "/handlers/1")
    assert 502 == status
    assert threaded_sandbox.api_key not in answer["error"]
