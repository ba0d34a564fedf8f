"""A program that PyInstaller makes of the installed package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from deployments.processes import PATIENCE

pytestmark = pytest.mark.deployments

PROGRAM = """
import urllib.request
from bitpeak_async.sandbox import Sandbox

with Sandbox() as sandbox, urllib.request.urlopen(sandbox.dashboard_url) as reply:
    print(reply.status, b"<html" in reply.read())
"""


def test_a_frozen_program_finds_the_page_of_the_sandbox(tmp_path: Path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "PyInstaller", "--onedir", "--log-level=WARN", "program.py"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=10 * PATIENCE)
    program = tmp_path / "dist" / "program" / "program"
    told = subprocess.check_output([program], text=True, timeout=PATIENCE)
    assert "200 True" == told.strip()
