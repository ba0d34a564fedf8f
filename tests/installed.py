"""Programs of the system, and commands on the installed package as users have it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def needs(program: str) -> str:
    """Return where a program is. Without it the test is skipped, but in CI it fails."""
    path = shutil.which(program, path=os.pathsep.join([os.environ["PATH"], "/usr/sbin"]))
    if path is None:
        (pytest.fail if "CI" in os.environ else pytest.skip)(f"there is no {program}")
    return path


def run(*command: str | Path, cwd: Path) -> str:
    """Return what a command prints."""
    # Else coverage would be measured there too, and the sources be found before the installation.
    unwanted = ("COV", "PYTHONPATH")
    env = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=env, check=False, capture_output=True, text=True
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout
