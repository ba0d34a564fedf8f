"""Options that several commands share, and their precedence."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import typer
from attrs import frozen

from bitpeak_async._secret import Secret
from bitpeak_async.cli import _output
from bitpeak_async.cli._config import OLD_NAMES, Config
from bitpeak_async.cli._connection import Connection
from bitpeak_async.cli._exit import UsageError
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.fleet import Account
from bitpeak_async.provisioning.files import read_environ
from bitpeak_async.provisioning.spec_files.environment import UnsetError, expand

_FLAG: Final = "COMMANDLINE"


def source(context: typer.Context, option: str) -> str:
    """Return where the value of an option comes from, such as ``"COMMANDLINE"``."""
    found = context.get_parameter_source(option)
    return found.name if found is not None else ""


def chosen(context: typer.Context, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the effective options: flags override a profile that a flag named, then the rest.

    Args:
        context: the command's context; its ``obj`` is the configuration.
        options: typer's choice: flags override the environment, which overrides the file.

    Raises:
        ConfigurationError: a profile's key would go to the server of ``BITPEAK_BASE_URL``.
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
    if config.own is None:
        return values
    own = config.own.options
    if config.is_named:
        values |= {name: own[name] for name in own if name in values and sources[name] != _FLAG}
    key, url = own.get("api_key_file"), values.get("base_url")
    has_own_key = None is not key == values.get("api_key_file") and sources["api_key_file"] != _FLAG
    if has_own_key and sources["base_url"] == "ENVIRONMENT" and url != own.get("base_url"):
        raise ConfigurationError(
            f"the key of profile {config.profile!r} would go to the server in BITPEAK_BASE_URL, "
            f"which is not the profile's; unset it, or name the server with --base-url"
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
        Path | None, typer.Option(help="The file with the key.", envvar="BITPEAK_API_KEY_FILE")
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
            help="Seconds for each step, such as planning or applying, with all retries and waits.",
            envvar="BITPEAK_DEADLINE",
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
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print no progress and no notes on stderr.")
    ] = False,
    concurrency: Annotated[  # noqa: ARG001 - chosen() gives it the new name
        int | None, typer.Option(hidden=True, envvar="BITPEAK_CONCURRENCY", min=1)
    ] = None,
    rate: Annotated[  # noqa: ARG001 - the same
        float | None, typer.Option(hidden=True, envvar="BITPEAK_RATE")
    ] = None,
) -> Connection:
    """Collect the options of every command that uses a server."""
    if quiet:
        _output.modes.is_quiet = True
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


@frozen
class Variables:
    """Variables for ``${NAME}`` in spec files, besides the environment's.

    Attributes:
        explicit: from ``--var`` and ``--env-file``.
        configured: from the config file and its profile, unless the environment overrides them.
    """

    explicit: Secret[Mapping[str, str]]
    configured: Secret[Mapping[str, str]]

    def environ(self) -> Secret[Mapping[str, str]]:
        """Return all variables, for the spec files of one account."""
        return Secret({**os.environ, **self.configured.reveal(), **self.explicit.reveal()})

    def given_to(self, account: Account) -> Account:
        """Return an account with these variables added; its own override the configured ones."""
        own = account.variables
        return replaced(
            account, variables={**self.configured.reveal(), **own, **self.explicit.reveal()}
        )


def replaced(account: Account, **changes: Any) -> Account:
    """Return an account with other arguments."""
    arguments = {
        "api_key": account.key,
        "specs": (*account.specs, *account.spec_files),
        "base_url": account.base_url,
        "pace": account.pace,
        "variables": account.variables,
        "source": account.source,
    }
    return Account(account.name, **{**arguments, **changes})


def _variables(
    config: Config,
    *,
    var: Annotated[
        list[str] | None,
        typer.Option(
            help="A variable for ${NAME} in spec files or --set. Not for secrets: other users of "
            "the machine can read it.",
            metavar="NAME=VALUE",
        ),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(
            help="A file of variables for ${NAME}, such as one that export --env-file wrote.",
            metavar="FILE",
        ),
    ] = None,
) -> Variables:
    """Collect the variables for the spec files of a command."""
    explicit: dict[str, str] = {}
    for file in env_file or ():
        explicit |= read_environ(file)
    explicit |= pairs("--var", var)
    named = config.own.variables if config.own is not None and config.is_named else {}
    configured: dict[str, str] = {}
    for name, value in config.variables.items():
        if name in named or name not in os.environ:
            with suppress(UnsetError):  # it refers to an unset variable, so it stays unset
                configured[name] = expand(value, os.environ)
    return Variables(Secret(explicit), Secret(configured))


def pairs(flag: str, given: list[str] | None) -> dict[str, str]:
    """Return the names and values of a repeatable option.

    Raises:
        UsageError: one is not ``NAME=VALUE``, or a name is given twice.
    """
    found: dict[str, str] = {}
    for pair in given or []:
        name, equals, value = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise UsageError(f"{flag} must be NAME=VALUE")
        if name in found:
            raise UsageError(f"{flag} {name} is given twice")
        found[name] = value
    return found


# A command's parameter → the function that collects its options; takes the config first.
SHARED: Final[Mapping[str, Callable[..., object]]] = MappingProxyType(
    {"connection": _connection, "variables": _variables}
)
