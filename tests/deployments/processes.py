"""Runs programs of others on a free port of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 20  # seconds


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@contextmanager
def listening(
    command: Sequence[str], port: int, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Run a program that listens on a port."""
    path = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
    program = shutil.which(command[0], path=path)
    if program is None:
        if "CI" in os.environ:
            pytest.fail(f"there must be {command[0]} in CI")
        pytest.skip(f"there is no {command[0]}")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [program, *command[1:]],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdout=log,
            stderr=log,
        )
    try:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.01)
        yield
    finally:
        process.terminate()  # killed, it would leave its own processes behind
        process.wait(PATIENCE)
