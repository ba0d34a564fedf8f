"""The README's examples run as they stand, and its commands are the ones CI calls."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bitpeak_async.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
PRINTED = [
    "404 The notification handler was not found.",
    "2 created, 0 updated, 0 unchanged, 0 failed",
    "1 created, 0 updated, 0 unchanged, 0 failed",
    "list notification handlers, page 1: 501",
]


def test_there_are_exactly_two_commands_for_a_fresh_clone():
    section = README.partition("<!-- two commands -->")[2].partition("<!-- /two commands -->")[0]
    assert 2 == len(re.findall(r"^\$ ", section, re.MULTILINE))


def test_every_example_is_run():
    assert len(PRINTED) == len(EXAMPLES)


@pytest.mark.parametrize(("code", "printed"), list(zip(EXAMPLES, PRINTED, strict=True)))
async def test_an_example_runs_and_prints(code: str, printed: str, sandbox: Sandbox):
    env = {
        **os.environ,
        "BITPEAK_API_KEY": sandbox.api_key,
        "BITPEAK_BASE_URL": sandbox.base_url,
        "PYTHONIOENCODING": "utf-8",
    }
    run = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-W", "error", "-c", code],
        env=env,
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert 0 == run.returncode, run.stderr
    assert printed in run.stdout


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(link: str):
    assert link.startswith("https://") or (ROOT / link).exists()
