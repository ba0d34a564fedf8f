"""Nodes of a file → texts and mappings, each checked where it stands."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from types import MappingProxyType

from bitpeak_async._secret import Secret
from bitpeak_async.provisioning.spec_files.document import Node, Problems
from bitpeak_async.provisioning.spec_files.environment import expand


class NodeReader:
    """Reads one file. What cannot be used is noted and left out.

    Args:
        problems: where to note it. No problem holds a value from the environment: what a message
            quotes is the text of the file.
        environ: environment variables, name → value; None for those of the process.
    """

    def __init__(self, problems: Problems, environ: Secret[Mapping[str, str] | None]) -> None:
        self._problems = problems
        self._environ = Secret(os.environ if environ.value is None else environ.value)

    def _list(self, document: Node, key: str) -> list[Node]:
        """Return the list that a file is, or that it holds under a key.

        Raises:
            UnusableFileError: there is none.
        """
        items = document
        if isinstance(document.value, dict):
            self._refuse_unknown(document.value, (key,))
            items = document.value.get(key, document)
        if not isinstance(items.value, list):
            raise self._problems.fatal(
                items.location,
                f"must be a list of {key}, or hold one as '{key}:'; it is {items.kind}",
            )
        return items.value

    def _refuse_unknown(
        self,
        mapping: Mapping[str, Node],
        known: Iterable[str],
        aliases: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Note keys that are not known, with the one that was probably meant.

        Args:
            mapping: the keys.
            known: what they may be.
            aliases: other words for a known key → the key.
        """
        choices = list(known)
        for key, node in mapping.items():
            if key not in choices:
                close = get_close_matches(key, choices, n=1)
                meant = aliases.get(key) or (close[0] if close else None)
                hint = f"did you mean {meant!r}?" if meant else f"known: {', '.join(choices)}"
                self._problems.add(
                    node.location, f"is no known key; {hint if choices else 'remove it'}"
                )

    def _mapping(self, node: Node) -> dict[str, Node] | None:
        if isinstance(node.value, dict):
            return node.value
        self._problems.add(node.location, f"must be a mapping, not {node.kind}")
        return None

    def _text(self, node: Node) -> str | None:
        if not isinstance(node.value, str):
            self._problems.add(node.location, f"must be a string, not {node.kind}")
            return None
        return expand(
            node.value,
            self._environ.value,
            lambda problem: self._problems.add(node.location, problem),
        )


def same_name(path: str, where: str) -> str:
    """Return what is wrong with an item whose name an earlier one has."""
    return f"has the same name as {path} {where}; names must be unique"
