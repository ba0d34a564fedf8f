"""The README's commands are the ones CI calls; ``test_docs.py`` runs its examples."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_there_are_exactly_two_commands_for_a_fresh_clone():
    section = README.partition("<!-- two commands -->")[2].partition("<!-- /two commands -->")[0]
    [commands] = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert 2 == len(commands.splitlines())


def test_no_prompt_is_copied_with_a_command():
    assert [] == re.findall(r"^\$ .*", README, re.MULTILINE)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_links_lead_somewhere(link: str):
    assert link.startswith("https://") or (ROOT / link).exists()
