"""Names of environment variables for the secrets of handlers, and a text that sets them."""

from __future__ import annotations

import re
import shlex
import unicodedata
from collections.abc import Mapping
from typing import Final

from bitpeak_async._secret import Secret
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.settings import WIRE_FIELDS

_NO_WORD: Final = re.compile(r"[^A-Z0-9]+")
_MAX_LENGTH: Final = 60  # of a handler's part; a name may have thousands of characters


class Variables:
    """Names one variable per secret; the same secrets in the same order get the same names.

    Args:
        environ: filled with name → value; names it holds already are not given again.
    """

    def __init__(self, environ: dict[str, str]) -> None:
        self._environ = environ
        self._given: dict[str, int] = {}

    def add(self, handler: str, position: int, field: str, value: str) -> str:
        """Add a secret and return its variable, such as ``OPS_ALERTS_TELEGRAM``.

        Args:
            handler: the handler's name.
            position: the handler's position from 1, used if its name has no ASCII letter.
            field: the wire name.
            value: the secret.
        """
        base = f"{_prefix(handler, position, field)}_{_slug(field)}"
        name = base
        while name in self._environ:
            self._given[base] = self._given.get(base, 1) + 1
            name = f"{base}_{self._given[base]}"
        self._environ[name] = value
        return name


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NO_WORD.sub("_", plain.upper()).strip("_")


def _prefix(handler: str, position: int, field: str) -> str:
    slug = _slug(handler)[:_MAX_LENGTH].rstrip("_")
    if not any(map(str.isalpha, slug)):
        return f"HANDLER_{position}"
    # Otherwise an undocumented field could name LD_PRELOAD or BITPEAK_API_KEY.
    return slug if slug[0].isalpha() and field in WIRE_FIELDS else f"HANDLER_{slug}"


def check_environ(environ: Secret[Mapping[str, str] | None]) -> None:
    """Raise ConfigurationError unless variables are None or a mapping of strings to strings."""
    if environ.value is None:
        return
    if not isinstance(environ.value, Mapping):
        kind = type(environ.value).__name__
        raise ConfigurationError(f"environ must be a mapping of names to values, not {kind}")
    if not all(isinstance(each, str) for item in environ.value.items() for each in item):
        raise ConfigurationError("environ must map strings to strings")


def dump_environ(environ: Mapping[str, str]) -> str:
    """Return variables as the text of a ``.env`` file, one ``NAME='value'`` per line.

    A shell reads it with ``set -a; . ./.env; set +a``. It holds secrets: keep it out of version
    control.

    Args:
        environ: name → value, as ``dump_specs`` fills it.

    Raises:
        ConfigurationError: it is no mapping of strings to strings.
    """
    check_environ(Secret.of(environ))
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environ.items())
