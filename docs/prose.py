"""Lint the prose: ``python docs/prose.py`` checks the pages, docstrings, comments and messages.

proselint's own checks run on the pages. The phrases of ``vocabulary.toml`` are errors everywhere.
"""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from proselint.checks import __register__
from proselint.config import DEFAULT
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

DOCS = Path(__file__).parent
ROOT = DOCS.parent
ENGLISH = [
    path for path in DOCS.glob("*.md") if path.stem not in ("quickstart-ru", "quickstart-uz")
]
PAGES = [ROOT / "README.md", *ENGLISH, *DOCS.glob("changelog.d/*.md"), *ROOT.glob(".github/*.md")]
CODE = [*ROOT.glob("bitpeak_async/**/*.py"), ROOT / "noxfile.py", *DOCS.glob("*.py")]
BLOCKS = re.compile(r"^```.*?^```|<!--.*?-->", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`]+`|\]\([^)]*\)|https?://\S+")
# typography wants curly quotes; lexical_illusions takes a title and its first sentence as one;
# dates_times takes any "from" before a range for a date.
OFF = ("dates_times", "lexical_illusions", "typography")
CHECKS = {**DEFAULT["checks"], **dict.fromkeys(OFF, False)}
VOCABULARY = {
    re.compile(phrase.replace(" ", r"[\s#]+"), re.IGNORECASE | re.MULTILINE): better
    for phrase, better in tomllib.loads((DOCS / "vocabulary.toml").read_text("utf-8")).items()
}


def prose(page: str) -> str:
    """Return a page without code, each line and column in its place."""
    page = BLOCKS.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), page)
    return INLINE.sub(lambda code: re.sub(r"[^\n]", "_", code[0]), page)


def problems(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the description of each problem in a file."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        text = prose(text)
        for found in LintFile(path.name, text).lint({"max_errors": 100, "checks": CHECKS}):
            yield found.pos[0], found.check_result.message
    for phrase, better in VOCABULARY.items():
        for match in phrase.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield line, f"{' '.join(match[0].split())!r}: {better}"


if __name__ == "__main__":
    CheckRegistry().register_many(__register__)
    found = [
        f"{path.relative_to(ROOT)}:{line}: {problem}"
        for path in sorted(PAGES + CODE)
        if path != DOCS / "changelog.md"
        for line, problem in sorted(problems(path))
    ]
    sys.exit("\n".join(found) or 0)
