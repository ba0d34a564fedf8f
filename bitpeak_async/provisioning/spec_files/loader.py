"""Paths → the specs in their files; several sets may share files, and each is read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from attrs import frozen

from bitpeak_async._secret import Secret
from bitpeak_async.provisioning.spec_files.document import Location, Problems, UnusableFileError
from bitpeak_async.provisioning.spec_files.node_reader import same_name
from bitpeak_async.provisioning.spec_files.paths import read_document, spec_files
from bitpeak_async.provisioning.spec_files.reader import SpecReader
from bitpeak_async.records import HandlerSpec


@frozen
class SpecSet:
    """What one or more files hold, or why they cannot be used.

    Attributes:
        specs: of all files, in order.
        problems: all there are, each ``file:line: path: what is wrong``.
    """

    specs: tuple[HandlerSpec, ...]
    problems: tuple[str, ...]


@frozen
class _File:
    problems: Problems
    specs: tuple[HandlerSpec, ...]
    names: Mapping[str, Location]


class SpecLoader:
    """Reads sets of spec files.

    Args:
        environ: environment variables, name → value; None for those of the process.
    """

    def __init__(self, environ: Secret[Mapping[str, str] | None]) -> None:
        self._environ = environ
        self._files: dict[Path, _File] = {}
        self._sets: dict[tuple[Path, ...], SpecSet] = {}

    def read(self, paths: Iterable[Path]) -> SpecSet:
        """Return what files, and the spec files in directories and below them, hold."""
        key = tuple(paths)
        if key not in self._sets:
            self._sets[key] = self._read(key)
        return self._sets[key]

    def _read(self, paths: Iterable[Path]) -> SpecSet:
        specs: list[HandlerSpec] = []
        problems: list[str] = []
        names: dict[str, tuple[Problems, Location]] = {}
        for path in paths:
            about = Problems(str(path))
            files = [self._file(file) for file in spec_files(path, about)]
            problems += about.in_order()
            for file in files:
                own = file.problems.copy()
                for name, location in file.names.items():
                    if name not in names:
                        names[name] = (file.problems, location)
                        continue
                    other, first = names[name]
                    own.add(location, same_name(first.path, f"at {other.at(first)}"))
                specs += file.specs
                problems += own.in_order()
        return SpecSet(tuple(specs), tuple(problems))

    def _file(self, path: Path) -> _File:
        if path not in self._files:
            problems = Problems(str(path))
            reader = SpecReader(problems, self._environ)
            specs: list[HandlerSpec] = []
            with suppress(UnusableFileError):
                specs = reader.read(read_document(path, problems))
            self._files[path] = _File(problems, tuple(specs), reader.names)
        return self._files[path]
