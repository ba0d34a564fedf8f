"""A program that PyInstaller makes of the installed package."""

from __future__ import annotations

import os
import venv
from pathlib import Path

import pytest
from installed import run

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.deployments

PROGRAM = """
import urllib.request
from bitpeak_async.sandbox import Sandbox

with Sandbox() as sandbox, urllib.request.urlopen(sandbox.dashboard_url) as reply:
    print(reply.status, b"<html" in reply.read())
"""


def test_a_frozen_program_finds_the_page_of_the_sandbox(tmp_path: Path):
    # In an environment of its own, because PyInstaller follows the imports of all that is there.
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / ("Scripts" if os.name == "nt" else "bin")
    install = ("-m", "pip", "install", "--quiet", ROOT, "pyinstaller>=6.11")
    run(binaries / "python", *install, cwd=tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    frozen = ("--onedir", "--log-level=WARN", "program.py")
    run(binaries / "pyinstaller", *frozen, cwd=tmp_path)
    assert "200 True" == run(tmp_path / "dist" / "program" / "program", cwd=tmp_path).strip()
