"""Read ``bitpeak.toml``: options, variables and profiles for all commands."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from attrs import field, frozen

from bitpeak_async import ConfigurationError
from bitpeak_async._structure import child_path, did_you_mean, problem_lines, strict_converter

_FILE: Final = Path("bitpeak.toml")
# Old option names; files, flags and environment variables accept them for one release.
OLD_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"concurrency": "in_flight", "rate": "requests_per_minute"}
)


@frozen(kw_only=True)
class _Table:
    """Options that the file and each profile may set; see ``Connection``."""

    base_url: str | None = None
    api_key_file: str | None = None
    in_flight: int | None = None
    requests_per_minute: float | None = None
    deadline: float | None = None
    redis: str | None = None
    allow_insecure: bool | None = None
    variables: dict[str, str] = field(factory=dict)


@frozen(kw_only=True)
class Config:
    """The contents of a config file.

    Attributes:
        options: option → value; the profile overrides the common table.
        variables: name → value for ``${NAME}``, with the same precedence.
        profile: the profile's name, or None.
        own: the profile's own table, or None.
        is_named: whether the profile was named on the command line. Then its own table overrides
            the environment.
    """

    options: Mapping[str, Any] = field(factory=dict)
    variables: Mapping[str, str] = field(factory=dict, repr=False)
    profile: str | None = None
    own: Config | None = None
    is_named: bool = False


def read_config(file: Path | None, profile: str | None, *, is_named: bool = False) -> Config:
    """Return what a config file sets.

    Args:
        file: the file; by default ``bitpeak.toml`` in the current folder, if it exists.
        profile: the name of a table ``[profiles.<name>]`` in it, or None.
        is_named: whether the profile was named on the command line.

    Raises:
        ConfigurationError: the file cannot be read or used, or has no such profile.
    """
    path = file or _FILE
    if file is None and not path.exists():
        if profile is not None:
            raise ConfigurationError(f"profile {profile!r} needs a {path} in this folder")
        return Config()
    tables = _tables(path)
    profiles = tables.pop("profiles", {})
    if "profile" in tables:
        raise ConfigurationError(f"{path}: profile: is not a known key; write [profiles.NAME]")
    if not isinstance(profiles, dict):
        raise ConfigurationError(f"{path}: profiles must be tables such as [profiles.staging]")
    common = _checked(tables, path)
    if profile is None:
        return common
    if not isinstance(profiles.get(profile), dict):
        hint = did_you_mean(profile, profiles)
        raise ConfigurationError(f"{path}: has no profile {profile!r}; {hint}")
    own = _checked(profiles[profile], path, f"profiles.{profile}")
    return Config(
        options={**common.options, **own.options},
        variables={**common.variables, **own.variables},
        profile=profile,
        own=own,
        is_named=is_named,
    )


def profile_names(file: Path | None) -> list[str]:
    """Return the names of the profiles in a config file, for shell completion."""
    try:
        return [*_tables(file or _FILE).get("profiles", ())]
    except ConfigurationError:
        return []


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from None


def _checked(table: dict[str, Any], path: Path, root: str = "") -> Config:
    if "api_key" in table:
        raise ConfigurationError(
            f"{path}: {child_path(root, 'api_key')}: must not be in a file that others may read; "
            f"write the key to its own file and give its path as api_key_file"
        )
    options = {OLD_NAMES.get(name, name): value for name, value in table.items()}
    try:
        strict_converter().structure(options, _Table)
    except ExceptionGroup as error:
        lines = [f"{path}: {line}" for line in problem_lines(error, root)]
    else:
        if "api_key_file" in options:
            options["api_key_file"] = path.parent / options["api_key_file"]
        return Config(variables=options.pop("variables", {}), options=options)
    raise ConfigurationError("\n".join(lines))
