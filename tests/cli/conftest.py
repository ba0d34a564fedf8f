"""The command in this process, in a pipe and in a terminal."""

from pathlib import Path

import pytest
from command_line import TWO, Run
from typer.testing import CliRunner, Result

from bitpeak_async.cli import _handler_commands, _provision_commands  # noqa: F401 - they register
from bitpeak_async.cli._app import app
from bitpeak_async.sandbox import Sandbox


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    path = tmp_path / "handlers.yaml"
    path.write_text(TWO)
    return path


@pytest.fixture
def server(threaded_sandbox: Sandbox) -> dict[str, str]:
    """The environment variables for ``threaded_sandbox``."""
    return {
        "BITPEAK_BASE_URL": threaded_sandbox.base_url,
        "BITPEAK_API_KEY": threaded_sandbox.api_key,
    }


@pytest.fixture
def run(server: dict[str, str]) -> Run:
    """Run a command in this process against ``server``."""

    def run(*arguments: object, **environment: str | None) -> Result:
        env = {**server, "NO_COLOR": "1", "HOOK": None, **environment}
        return CliRunner().invoke(app, [str(argument) for argument in arguments], env=env)

    return run
