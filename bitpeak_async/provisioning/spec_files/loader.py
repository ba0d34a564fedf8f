"""Paths → the specs in their files. Sets of paths may share files; each file is read once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from attrs import frozen

from bitpeak_async._secret import Secret
from bitpeak_async._structure import Keys
from bitpeak_async.provisioning.spec_files.document import Document, UnusableFileError
from bitpeak_async.provisioning.spec_files.environment import environment
from bitpeak_async.provisioning.spec_files.paths import read_document, spec_files
from bitpeak_async.provisioning.spec_files.reader import SpecReader
from bitpeak_async.records import HandlerSpec

Variables: TypeAlias = Secret[tuple[tuple[str, str], ...]]


@frozen
class SpecSet:
    """The specs of one or more files, and their problems.

    Attributes:
        specs: the specs of all files, in order.
        problems: the problems of all files, each as ``file:line: path: what is wrong``.
        unset: variable that is not set → its entry in ``problems``.
    """

    specs: tuple[HandlerSpec, ...]
    problems: tuple[str, ...]
    unset: Mapping[str, str]


@frozen
class _File:
    document: Document
    specs: list[HandlerSpec]
    names: Mapping[str, Keys]


class SpecLoader:
    """Reads sets of spec files.

    Args:
        environ: name → value; None for the process environment.
    """

    def __init__(self, environ: Secret[Mapping[str, str] | None]) -> None:
        self._environ = environment(environ)
        self._documents: dict[Path, tuple[Document, bool]] = {}
        self._files: dict[tuple[Path, Variables], _File] = {}
        self._sets: dict[tuple[tuple[Path, ...], Variables], SpecSet] = {}

    def read(self, paths: Iterable[Path], variables: Variables = Secret(())) -> SpecSet:  # noqa: B008 - frozen
        """Return the specs of files, and of the spec files in and below directories.

        Args:
            paths: paths of files and directories.
            variables: (name, value) pairs that override the environment.
        """
        key = tuple(paths), variables
        if key not in self._sets:
            self._sets[key] = self._read(*key)
        return self._sets[key]

    def _read(self, paths: Iterable[Path], variables: Variables) -> SpecSet:
        specs: list[HandlerSpec] = []
        problems: list[str] = []
        unset: dict[str, str] = {}
        first: dict[str, tuple[Document, Keys]] = {}
        directories = [(path, Document(str(path))) for path in paths]
        read = [
            (directory, [self._file(file, variables) for file in spec_files(path, directory)])
            for path, directory in directories
        ]
        places = Counter[str]()
        for _, files in read:
            for file in files:
                places.update({name: len(each) for name, each in file.document.unset.items()})
        for directory, files in read:
            problems += directory.in_order()
            for file in files:
                document = file.document
                more: list[tuple[Keys, str]] = []
                for name, keys in file.names.items():
                    if name not in first:
                        first[name] = document, keys
                        continue
                    other, earlier = first[name]
                    more.append((keys, document.same_name(earlier, other)))
                for name, ((keys, problem), *_) in document.unset.items():
                    if name not in unset:
                        more.append((keys, _and_more(problem, places[name] - 1)))
                        unset[name] = document.located(*more[-1])
                specs += file.specs
                problems += document.in_order(more)
        return SpecSet(tuple(specs), tuple(problems), unset)

    def _file(self, path: Path, variables: Variables) -> _File:
        key = path, variables
        if key not in self._files:
            document, is_usable = self._document(path)
            environ = Secret({**self._environ.reveal(), **dict(variables.reveal())})
            reader = SpecReader(document.again(), environ)
            specs: list[HandlerSpec] = []
            if is_usable:
                with suppress(UnusableFileError):
                    specs = reader.read()
            self._files[key] = _File(reader.document, specs, reader.names)
        return self._files[key]

    def _document(self, path: Path) -> tuple[Document, bool]:
        """Return the document of a file, and whether it could be read."""
        if path not in self._documents:
            document = Document(str(path))
            is_usable = False
            with suppress(UnusableFileError):
                read_document(path, document)
                is_usable = True
            self._documents[path] = document, is_usable
        return self._documents[path]


def _and_more(problem: str, count: int) -> str:
    return f"{problem} (and {count} more places)" if count else problem
