"""Find the server and the key: flags, then the environment, then ``bitpeak.toml``."""

from __future__ import annotations

import os
import signal
import sys
import tomllib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
from attrs import frozen

from bitpeak_async import BitPeak, ConfigurationError, Pace, PaceStore
from bitpeak_async._secret import Secret
from bitpeak_async._structure import (
    child_path,
    did_you_mean,
    problem_lines,
    strict_converter,
)
from bitpeak_async.cli import _output

T = TypeVar("T")

_CONFIG: Final = Path("bitpeak.toml")


@frozen(kw_only=True)
class Connection:
    """How to reach the server.

    Attributes:
        sandbox: use an embedded server, started for this command.
        base_url: the API's base URL.
        api_key_file: a file that holds the key.
        concurrency: the most requests in flight at once.
        rate: the most requests per minute.
        deadline: seconds per call, with all retries and waits.
        redis: URL of a Redis that shares the rate limit with other processes.
    """

    sandbox: bool = False
    base_url: str | None = None
    api_key_file: Path | None = None
    concurrency: int | None = None
    rate: float | None = None
    deadline: float | None = None
    redis: Secret[str | None] = Secret(None)  # noqa: RUF009 - frozen

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[BitPeak, None]:
        """Yield a client."""
        in_flight = Pace().in_flight if self.concurrency is None else self.concurrency
        pace = Pace(in_flight=in_flight, requests_per_minute=self.rate)
        if not self.sandbox:
            async with BitPeak(
                self._key(), base_url=self.base_url, pace=pace, pace_store=self.pace_store()
            ) as bitpeak:
                yield bitpeak.with_options(deadline=self.deadline)
            return
        from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - slow to import

        async with (
            Sandbox() as server,
            BitPeak(server.api_key, base_url=server.base_url, pace=pace) as bitpeak,
        ):
            _output.err.print(f"Sandbox at {server.base_url}")
            yield bitpeak.with_options(deadline=self.deadline)

    def pace_store(self) -> PaceStore | None:
        """Return the store that shares the rate limit, or None.

        Raises:
            ConfigurationError: the URL is invalid, or the extra is missing.
        """
        if not self.redis.value:
            return None
        from bitpeak_async.redis import RedisPaceStore  # noqa: PLC0415 - the extra may be missing

        return RedisPaceStore(self.redis.value)

    def _key(self) -> str | None:
        """Return the key, or None to take it from the environment.

        No argument takes a key: other users of the machine can read arguments.
        """
        if self.api_key_file is not None:
            try:
                return self.api_key_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8"
                raise ConfigurationError(
                    f"the key cannot be read from {self.api_key_file}: {reason}"
                ) from None
        if not os.environ.get("BITPEAK_API_KEY") and is_interactive():
            return ask(lambda: str(typer.prompt("API key", hide_input=True, err=True)))
        return None


def is_interactive() -> bool:
    """Return whether somebody can answer questions."""
    return sys.stdin is not None and sys.stdin.isatty()


def ask(question: Callable[[], T]) -> T:
    """Ask a question that Ctrl-C ends; asyncio's handler would only cancel the task later."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return question()
    finally:
        signal.signal(signal.SIGINT, handler)


@frozen(kw_only=True)
class _Options:
    """What a table of a config file may set; see ``Connection``."""

    base_url: str | None = None
    api_key_file: str | None = None
    concurrency: int | None = None
    rate: float | None = None
    deadline: float | None = None
    redis: str | None = None


def read_config(file: Path | None, profile: str | None) -> dict[str, Any]:
    """Return the options that a config file sets, those of the profile over the common ones.

    Args:
        file: the file; by default ``bitpeak.toml`` here, if there is one.
        profile: a table ``[profiles.<name>]`` of it, or None.

    Raises:
        ConfigurationError: the file cannot be read or used, or has no such profile.
    """
    path = file or _CONFIG
    if file is None and not path.exists():
        if profile is not None:
            raise ConfigurationError(f"there is no {path} here that could hold profile {profile!r}")
        return {}
    try:
        config = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from None
    profiles = config.pop("profiles", {})
    if not isinstance(profiles, dict):
        raise ConfigurationError(f"{path}: profiles must be tables such as [profiles.staging]")
    options = _checked(config, path)
    if profile is not None:
        if not isinstance(profiles.get(profile), dict):
            hint = did_you_mean(profile, profiles)
            raise ConfigurationError(f"{path}: has no profile {profile!r}; {hint}")
        options |= _checked(profiles[profile], path, f"profiles.{profile}")
    if "api_key_file" in options:
        options["api_key_file"] = path.parent / options["api_key_file"]
    return options


def _checked(table: dict[str, Any], path: Path, root: str = "") -> dict[str, Any]:
    if "api_key" in table:
        raise ConfigurationError(
            f"{path}: {child_path(root, 'api_key')}: does not belong into a file that others may "
            f"read; write it into a file of its own and name that as api_key_file"
        )
    try:
        strict_converter().structure(table, _Options)
    except ExceptionGroup as error:
        lines = [f"{path}: {line}" for line in problem_lines(error, root)]
    else:
        return table
    raise ConfigurationError("\n".join(lines))
