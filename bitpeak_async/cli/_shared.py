"""Options that several commands share, and which of them win."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer

from bitpeak_async._secret import Secret
from bitpeak_async.cli._config import OLD_NAMES, Config
from bitpeak_async.cli._connection import Connection
from bitpeak_async.errors import ConfigurationError

_FLAG: Final = "COMMANDLINE"


def source(context: typer.Context, option: str) -> str:
    """Return where the value of an option comes from, such as ``"COMMANDLINE"``."""
    found = context.get_parameter_source(option)
    return found.name if found is not None else ""


def chosen(context: typer.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as they hold: flags, then a profile that a flag named, then the rest.

    Args:
        context: of the command; its ``obj`` is the configuration.
        options: as typer chose them: flags, then the environment, then the file.

    Raises:
        ConfigurationError: a profile's key would go to a server of the environment.
    """
    values = dict(options)
    sources = {option: source(context, option) for option in options}
    for old, new in OLD_NAMES.items():
        if new not in values:
            continue
        value = values.pop(old)
        weak = (_FLAG,) if sources[old] == _FLAG else (_FLAG, "ENVIRONMENT")
        if value is not None and sources[new] not in weak:
            values[new], sources[new] = value, sources[old]
    config: Config = context.obj
    if config.named is None:
        return values
    own = config.named.options
    values |= {name: own[name] for name in own if name in values and sources[name] != _FLAG}
    has_own_key = "api_key_file" in own and sources.get("api_key_file") != _FLAG
    if has_own_key and "base_url" not in own and sources.get("base_url") == "ENVIRONMENT":
        raise ConfigurationError(
            f"the key of profile {config.profile!r} would go to the server that BITPEAK_BASE_URL "
            f"names; give the profile a base_url, or use --base-url"
        )
    return values


def _connection(
    config: Config,
    *,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Use an embedded BitPeak server, started for this command."),
    ] = False,
    base_url: Annotated[
        str | None,
        typer.Option(help="The API's base URL.", envvar="BITPEAK_BASE_URL", metavar="URL"),
    ] = None,
    api_key_file: Annotated[
        Path | None, typer.Option(help="A file that holds the key.", envvar="BITPEAK_API_KEY_FILE")
    ] = None,
    in_flight: Annotated[
        int | None,
        typer.Option(help="Most requests in flight at once.", envvar="BITPEAK_IN_FLIGHT", min=1),
    ] = None,
    requests_per_minute: Annotated[
        float | None,
        typer.Option(help="Most requests per minute.", envvar="BITPEAK_REQUESTS_PER_MINUTE"),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(
            help="Seconds per call, with all retries and waits.", envvar="BITPEAK_DEADLINE"
        ),
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            help="Share the key's rate limit with other processes through this Redis.",
            envvar="BITPEAK_REDIS_URL",
            metavar="URL",
        ),
    ] = None,
    allow_insecure: Annotated[
        bool,
        typer.Option("--allow-insecure", help="Allow plain http to hosts other than this machine."),
    ] = False,
    concurrency: Annotated[  # noqa: ARG001 - chosen() gives it the new name
        int | None, typer.Option(hidden=True, envvar="BITPEAK_CONCURRENCY", min=1)
    ] = None,
    rate: Annotated[  # noqa: ARG001 - likewise
        float | None, typer.Option(hidden=True, envvar="BITPEAK_RATE")
    ] = None,
) -> Connection:
    """Collect the options that every command with a server has."""
    return Connection(
        sandbox=sandbox,
        base_url=base_url,
        api_key_file=api_key_file,
        in_flight=in_flight,
        requests_per_minute=requests_per_minute,
        deadline=deadline,
        redis=Secret(redis),
        allow_insecure=allow_insecure,
        profile=config.profile,
    )


# Parameter of a command → what collects its options, which follow the configuration.
SHARED: Final[Mapping[str, Callable[..., object]]] = MappingProxyType({"connection": _connection})
