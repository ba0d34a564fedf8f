"""Ways to run the command, for the tests of it."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from typer.testing import Result

CANARY = "canary-4711"
EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "handlers.yaml"
# -P: the installed package, not the sources beside which pytest runs.
BITPEAK = [sys.executable, "-P", "-m", "bitpeak_async.cli"]
TWO = """
- {name: Mail, type: email, settings: {email: a@example.com}}
- {name: "[red]Hook", type: webhook, settings: {webhook: "https://example.com/${HOOK:-canary-4711}"}}
"""

Run = Callable[..., Result]


def piped(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BITPEAK, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )


class Terminal:
    """A command in a pseudo-terminal."""

    def __init__(self, *arguments: object, stdout: Path | None = None, **environment: str) -> None:
        self.screen = ""
        self.is_over = False
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            if stdout is not None:
                os.dup2(os.open(stdout, os.O_WRONLY | os.O_CREAT), 1)
            env = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **environment}
            os.execve(sys.executable, [*BITPEAK, *map(str, arguments)], env)

    def until(self, text: str) -> None:
        while text not in self.screen:
            assert select.select([self.fd], [], [], 20)[0], self.screen
            self.screen += os.read(self.fd, 65536).decode()

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    async def sees(self, condition: Callable[[], bool]) -> None:
        for _ in range(20_000):
            if condition():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(self.screen)

    def interrupt(self) -> int:
        """Press Ctrl-C; once more if that came in the moment before readline() listens."""
        self.type("\x03")
        self._read(3)
        with suppress(OSError):
            self.type("\x03")
        return self.end()

    def _read(self, patience: float) -> None:
        until = time.monotonic() + patience
        while select.select([self.fd], [], [], max(0.0, until - time.monotonic()))[0]:
            try:
                self.screen += os.read(self.fd, 65536).decode()
            except OSError:  # Linux's way to tell the end of a terminal
                self.is_over = True
                return

    def end(self) -> int:
        self._read(30)
        if not self.is_over:
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
