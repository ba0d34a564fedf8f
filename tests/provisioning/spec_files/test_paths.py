"""Files and directories: which are read, and why one cannot be."""

import os
from pathlib import Path

import pytest
from spec_file import problems, write

from bitpeak_async import (
    PlanError,
)
from bitpeak_async.provisioning.files import read_specs

CANARY = "canary-4711"
TOML = '[[handlers]]\nname = "a"\ntype = "email"\nsettings = {email = "a@example.com"}\n'


def test_a_file_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(PlanError, match="cannot be read: No such file or directory"):
        read_specs(tmp_path / "none.yaml")


@pytest.mark.parametrize("form", ["yaml", "toml", "json", "csv"])
def test_what_is_not_utf_8_says_so_with_its_line(form: str, tmp_path: Path):
    file = write(tmp_path / f"a.{form}", b"\n\n\xff")
    assert [f"a.{form}:3: is not UTF-8; save the file as UTF-8"] == problems(file)


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("yaml", "- {telegram: *CANARY}"),
        ("yaml", "- {telegram: !CANARY}"),
        ("yaml", "- {telegram: !CANARY!a}"),
        ("yaml", "- telegram: CANARY: a"),
        ("yaml", "- telegram: 'CANARY"),
        ("yaml", "CANARY"),
        ("toml", "telegram = CANARY"),
        ("toml", 'telegram = "CANARY'),
        ("toml", "telegram = 'CANARY' CANARY"),
        ("toml", 'telegram = "\\CANARY"'),
        ("toml", "telegram: CANARY"),
        ("json", "[CANARY]"),
        ("json", '["CANARY'),
        ("json", '["\\CANARY"]'),
        ("json", '["CANARY" "CANARY"]'),
        ("csv", "CANARY,a\n"),
        ("csv", 'name,type\n"CANARY"CANARY\n'),
        ("csv", 'name,type\n"CANARY'),
        ("csv", "name,type\nCANARY,CANARY,CANARY\n"),
    ],
)
def test_a_broken_file_is_not_quoted(form: str, content: str, tmp_path: Path):
    file = write(tmp_path / f"a.{form}", content.replace("CANARY", CANARY))
    assert CANARY not in "\n".join(problems(file))


def test_a_directory_is_read_in_the_order_of_paths(tmp_path: Path):
    for name in ("b.csv", "a/z.CSV", "a/b/c.csv", "c.csv"):
        write(tmp_path / name, f"name,type\n{name},internal_notification\n")
    for name in (".hidden.csv", ".git/a.csv", "a/.b/a.yaml", "README.md", "a/notes.txt", "csv"):
        write(tmp_path / name, "no spec file")
    names = [spec.name for spec in read_specs(tmp_path, environ={})]
    assert ["a/b/c.csv", "a/z.CSV", "b.csv", "c.csv"] == names


def test_a_hidden_directory_that_was_asked_for_is_read(tmp_path: Path):
    write(tmp_path / ".handlers" / "a.toml", TOML)
    assert 1 == len(read_specs(tmp_path / ".handlers"))


def test_a_directory_without_spec_files_says_so(tmp_path: Path):
    write(tmp_path / "empty" / ".a.yaml", "[]")
    assert [
        "empty: holds no spec file; add one that ends in .yaml, .yml, .toml, .json, .csv",
        "b.toml:1: is empty; write a list of handlers, or 'handlers = []' for none",
    ] == problems(tmp_path / "empty", write(tmp_path / "b.toml", "# none\n"))


def test_a_folder_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path / "all" / "a.toml", TOML)
    locked = tmp_path / "all" / "locked"
    locked.mkdir()
    scan = os.scandir

    def deny(path: str) -> object:
        if path == str(locked):
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", deny)  # root reads what chmod locks
    assert [f"all: cannot be read: Permission denied: all{os.sep}locked"] == problems(
        tmp_path / "all"
    )


def test_a_path_that_no_system_has_says_so(tmp_path: Path):
    assert ["a\0.csv: cannot be read: its name is not a valid path"] == problems(
        tmp_path / "a\0.csv"
    )
