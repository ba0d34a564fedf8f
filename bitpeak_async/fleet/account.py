"""One account of a fleet: its name, its key's source and its desired handlers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from attrs import field, frozen

from bitpeak_async._checks import check_type
from bitpeak_async._secret import Secret, hides
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.fleet.keys import KeySource, LiteralKey
from bitpeak_async.options import Pace
from bitpeak_async.provisioning.spec_files.variables import check_environ
from bitpeak_async.records import HandlerSpec

__all__ = ["Account"]


@frozen(init=False, repr=False)
class Account:
    """One account of a fleet.

    It can be pickled. The pickle holds a reference to the key, unless you passed the key itself.

    Args:
        name: identifies it in reports and errors; unique in a fleet.
        api_key: the source of the key, or the key itself.
        specs: the desired handlers, or paths of spec files and of folders of them. Files are read
            when needed; accounts may share them.
        base_url: by default the fleet's.
        pace: by default the fleet's.
        variables: name → value for ``${NAME}`` in its spec files; overrides the environment.
        source: where it was defined, for errors, such as ``"accounts.yaml:3"``.

    Raises:
        ConfigurationError: an argument is unusable; the message names the account.
    """

    name: str
    key: KeySource
    specs: tuple[HandlerSpec, ...]
    spec_files: tuple[Path, ...]
    base_url: str | None
    pace: Pace | None
    variables: Mapping[str, str] = field(hash=False)
    source: str = field(eq=False)

    @hides("api_key", "variables")
    def __init__(
        self,
        name: str,
        api_key: str | KeySource,
        specs: Iterable[HandlerSpec | str | os.PathLike[str]] | str | os.PathLike[str] = (),
        *,
        base_url: str | None = None,
        pace: Pace | None = None,
        variables: Mapping[str, str] = MappingProxyType({}),
        source: str = "",
    ) -> None:
        given: Secret[Any] = Secret.of(api_key)
        if not isinstance(name, str) or not name:
            raise ConfigurationError("an account needs a name: a string that is not empty")
        who = f"account {name!r}"
        if isinstance(given.reveal(), str):
            key: KeySource = LiteralKey(given.reveal())
        elif callable(getattr(given.reveal(), "resolve", None)):
            key = given.reveal()
        else:
            kind = type(given.reveal()).__name__
            raise ConfigurationError(
                f"{who}: api_key must be a string or a KeySource such as EnvironmentKey, not {kind}"
            )
        if pace is not None:
            check_type(f"{who}: pace", pace, Pace)
        if base_url is not None:
            check_type(f"{who}: base_url", base_url, str)
        given_variables: Secret[Mapping[str, str]] = Secret.of(variables)
        check_environ(given_variables, f"{who}: variables")
        handlers, files = _sorted(who, specs)
        # pyright does not know the __attrs_init__ that attrs adds.
        self.__attrs_init__(  # pyright: ignore[reportAttributeAccessIssue]
            name, key, handlers, files, base_url, pace, {**given_variables.reveal()}, source
        )

    def __repr__(self) -> str:
        if not hasattr(self, "key"):  # a traceback shows locals after __init__ raised
            return "Account()"
        return f"Account({self.name!r}, {self.key!r})"

    @property
    def title(self) -> str:
        """Its name in errors, with its source if known."""
        return f"{self.source}: account {self.name!r}" if self.source else f"account {self.name!r}"

    def with_specs(self, specs: Iterable[HandlerSpec | str | os.PathLike[str]]) -> Account:
        """Return the same account with other specs, such as a part of its own."""
        return Account(
            self.name,
            self.key,
            specs,
            base_url=self.base_url,
            pace=self.pace,
            variables=self.variables,
            source=self.source,
        )


def _sorted(
    who: str, specs: Iterable[HandlerSpec | str | os.PathLike[str]] | str | os.PathLike[str]
) -> tuple[tuple[HandlerSpec, ...], tuple[Path, ...]]:
    if isinstance(specs, str | os.PathLike):
        specs = (specs,)
    if not isinstance(specs, Iterable):
        raise ConfigurationError(
            f"{who}: specs must be handlers or paths of spec files, not {type(specs).__name__}"
        )
    handlers: list[HandlerSpec] = []
    files: list[Path] = []
    for spec in specs:
        if isinstance(spec, HandlerSpec):
            handlers.append(spec)
        elif isinstance(spec, str | os.PathLike):
            files.append(Path(spec))
        else:
            kind = type(spec).__name__
            raise ConfigurationError(
                f"{who}: specs must hold HandlerSpec or paths of spec files, not {kind}"
            )
    return tuple(handlers), tuple(files)
