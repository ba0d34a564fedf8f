"""Connect to the server with the key and URL from the options."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer
from attrs import frozen

from bitpeak_async import BitPeak, NotFoundError, Pace, RateStore
from bitpeak_async._http.endpoint import checked_base_url
from bitpeak_async._secret import Secret
from bitpeak_async.cli import _output
from bitpeak_async.cli._exit import UsageError
from bitpeak_async.fleet.keys import FileKey

T = TypeVar("T")


@frozen(kw_only=True)
class Connection:
    """How to reach the server.

    Attributes:
        sandbox: whether to use an embedded server, started for this command.
        base_url: the API's base URL.
        api_key_file: the file with the key.
        in_flight: the most requests in flight at once.
        requests_per_minute: the most requests per minute.
        deadline: seconds per call, with all retries and waits.
        redis: URL of a Redis that shares the rate limit with other processes.
        allow_insecure: allow plain http to hosts other than loopback.
        profile: the name of the profile in use, or None.
    """

    sandbox: bool = False
    base_url: str | None = None
    api_key_file: Path | None = None
    in_flight: int | None = None
    requests_per_minute: float | None = None
    deadline: float | None = None
    redis: Secret[Any] = Secret(None)  # noqa: RUF009 - frozen
    allow_insecure: bool = False
    profile: str | None = None

    @property
    def place(self) -> str:
        """The server and the profile, for prompts and reports."""
        if self.sandbox:
            return "the sandbox"
        return self._url if self.profile is None else f"{self._url} (profile {self.profile})"

    @property
    def _url(self) -> str:
        return checked_base_url(self.base_url, allow_insecure=self.allow_insecure)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[BitPeak, None]:
        """Yield a client."""
        in_flight = Pace().in_flight if self.in_flight is None else self.in_flight
        pace = Pace(in_flight=in_flight, requests_per_minute=self.requests_per_minute)
        if not self.sandbox:
            async with BitPeak(
                self._key(),
                base_url=self.base_url,
                allow_insecure=self.allow_insecure,
                pace=pace,
                pace_store=self.pace_store(),
            ) as bitpeak:
                try:
                    yield bitpeak.with_options(deadline=self.deadline)
                except NotFoundError as error:
                    if not self._url.endswith("/api"):
                        error.add_note(f"The base URL {self._url} may lack /api at its end.")
                    raise
            return
        from bitpeak_async.sandbox import Sandbox  # noqa: PLC0415 - slow to import

        async with (
            Sandbox() as server,
            BitPeak(server.api_key, base_url=server.base_url, pace=pace) as bitpeak,
        ):
            _output.note(f"Sandbox at {server.base_url}")
            yield bitpeak.with_options(deadline=self.deadline)

    def fleet_options(self) -> dict[str, Any]:
        """Return the keyword arguments of a fleet's clients."""
        in_flight = {} if self.in_flight is None else {"in_flight": self.in_flight}
        return {
            "base_url": self.base_url,
            "allow_insecure": self.allow_insecure,
            "pace": Pace(requests_per_minute=self.requests_per_minute),
            "pace_store": self.pace_store(),
            **in_flight,
        }

    def pace_store(self) -> RateStore | None:
        """Return the store that shares the rate limit, or None.

        Raises:
            ConfigurationError: the URL is invalid, or the extra is missing.
        """
        if not self.redis.reveal():
            return None
        from bitpeak_async.redis import RedisPaceStore  # noqa: PLC0415 - the extra may be missing

        return RedisPaceStore(self.redis.reveal())

    def _key(self) -> str | None:
        """Return the key, or None to take it from the environment.

        No argument takes a key: other users of the machine can read arguments.
        """
        if self.api_key_file is not None:
            return FileKey(self.api_key_file).resolve()
        if not os.environ.get("BITPEAK_API_KEY") and is_interactive():
            question = f"API key for {self.place}"
            return ask(lambda: str(typer.prompt(question, hide_input=True, err=True)))
        return None


def is_interactive() -> bool:
    """Return whether a person can answer questions."""
    return sys.stdin is not None and sys.stdin.isatty()


def confirmed(question: str, *, is_required: bool, as_json: bool) -> bool:
    """Ask for confirmation. Without a terminal, return True unless an answer is required.

    Raises:
        UsageError: an answer is required and there is no terminal, or ``as_json`` forbids a prompt.
    """
    if not is_interactive():
        if is_required:
            raise UsageError("deleting without a terminal needs --yes")
        return True
    if as_json:
        raise UsageError("--json cannot ask for confirmation: add --yes")
    return ask(lambda: typer.confirm(_output.printable(question), err=True))


def ask(question: Callable[[], T]) -> T:
    """Ask a question so that Ctrl-C ends it; asyncio's handler would only cancel the task later."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return question()
    finally:
        signal.signal(signal.SIGINT, handler)
