"""Spec files for tests, and what is wrong with them."""

import os
from pathlib import Path

import pytest

from bitpeak_async import PlanError
from bitpeak_async.provisioning.files import read_specs


def write(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def problems(*files: Path, **environ: str) -> list[str]:
    """Return what is wrong with files, each without the folder of the first."""
    with pytest.raises(PlanError) as caught:
        read_specs(*files, environ=environ)
    assert "\n".join(caught.value.problems) == str(caught.value)
    folder = f"{files[0].parent}{os.sep}"
    return [problem.replace(folder, "") for problem in caught.value.problems]


def problems_of(file: Path, content: str | bytes, **environ: str) -> list[str]:
    """Return what is wrong with a file of this content, each without the file's own path."""
    return [text.removeprefix(file.name) for text in problems(write(file, content), **environ)]


def check_problems(file: Path, content: str, expected: list[str]) -> None:
    """Check that a file has exactly these problems; of each only the beginning is given."""
    found = problems_of(file, content)
    assert expected == [
        problem[: len(start)] for problem, start in zip(found, expected, strict=True)
    ]
