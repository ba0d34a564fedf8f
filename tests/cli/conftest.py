"""The command in this process, in a pipe and in a terminal."""

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import BITPEAK, TWO, Run
from typer.testing import CliRunner, Result

from bitpeak_async.cli import _handler_commands, _provision_commands  # noqa: F401 - they register
from bitpeak_async.cli._app import app


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    path = tmp_path / "handlers.yaml"
    path.write_text(TWO)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[dict[str, str]]:
    """``bitpeak sandbox`` in a process of its own; what it says to export."""
    command = [*BITPEAK, "sandbox", "--database", str(tmp_path / "handlers.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline().decode() for _ in range(2)]
        exported = dict(re.findall(r"export (\w+)=(\S+)", "".join(lines)))
        assert {"BITPEAK_BASE_URL", "BITPEAK_API_KEY"} == set(exported)
        yield exported
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (0, b"Serving until Ctrl-C\n") == (process.returncode, errors)


@pytest.fixture
def run(server: dict[str, str]) -> Run:
    """Run a command in this process against ``server``."""

    def run(*arguments: object, **environment: str | None) -> Result:
        env = {**server, "NO_COLOR": "1", "HOOK": None, **environment}
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)

    return run
