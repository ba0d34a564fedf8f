"""Name environment variables for the secrets of handlers; read and write ``.env`` files."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from bitpeak_async._secret import Secret
from bitpeak_async.errors import ConfigurationError
from bitpeak_async.settings import WIRE_FIELDS

_NO_WORD: Final = re.compile(r"[^A-Z0-9]+")
_ASSIGNMENT: Final = re.compile(
    r"[ \t]*(?:(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)="
    r"(?P<value>(?:'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|[^\s'\"\\])*)[ \t]*(?:(?<=[ \t])#.*)?"
    r"|#.*)?(?:\r?\n|\Z)"
)
_MAX_LENGTH: Final = 60  # characters of a handler's name; it may have thousands
# Russian, Ukrainian, Belarusian and Uzbek Cyrillic; Unicode decomposition covers other scripts.
_LATIN: Final = str.maketrans(
    dict(zip("абвгдезиклмнопрстуфхцэыіґғқҳўйј", "abvgdeziklmnoprstufhceyiggqhoyj", strict=True))
    | {"ж": "zh", "ч": "ch", "ш": "sh", "щ": "shch", "ю": "yu", "я": "ya", "ё": "yo"}
    | {"ї": "yi", "є": "ye", "ъ": "", "ь": ""}
)


class Variables:
    """Names one variable per secret.

    A variable's name depends only on its own handler, so later exports name it the same. An
    ambiguous name includes the handler's id; a counter could change with the next export.

    Args:
        environ: receives variable → secret; variables it already holds are not used again.
        ids: handler's name → id, where known.
        handlers: the names of all handlers.
    """

    def __init__(
        self, environ: dict[str, str], ids: Mapping[str, int], handlers: Iterable[str]
    ) -> None:
        self._environ = environ
        self._ids = ids
        self._latin = Counter(map(_latin, handlers))

    def add(self, handler: str, field: str, value: str) -> str:
        """Add a secret and return its variable, such as ``OPS_ALERTS_TELEGRAM``.

        Args:
            handler: the handler's name.
            field: the API field.
            value: the secret.
        """
        name = f"{self._prefix(handler, field)}_{_slug(field)}"
        while name in self._environ:
            name += "_"
        self._environ[name] = value
        return name

    def _prefix(self, handler: str, field: str) -> str:
        slug = _slug(handler)[:_MAX_LENGTH].rstrip("_")
        tag = self._ids.get(handler) or _digest(handler)
        if not any(map(str.isalpha, slug)):
            return f"HANDLER_{tag}"
        latin = _latin(handler)
        if slug != latin.replace(" ", "_") or self._latin[latin] > 1:
            slug = f"{slug}_{tag}"
        # Otherwise an undocumented field could name LD_PRELOAD or BITPEAK_API_KEY.
        return slug if slug[0].isalpha() and field in WIRE_FIELDS else f"HANDLER_{slug}"


def _latin(text: str) -> str:
    return text.lower().translate(_LATIN).upper()


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", _latin(text)).encode("ascii", "ignore").decode()
    return _NO_WORD.sub("_", plain.upper()).strip("_")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest().upper()


def check_environ(environ: Secret[Any], what: str = "environ") -> None:
    """Raise ConfigurationError unless ``environ`` is None or maps strings to strings."""
    if environ.reveal() is None:
        return
    if not isinstance(environ.reveal(), Mapping):
        kind = type(environ.reveal()).__name__
        raise ConfigurationError(f"{what} must be a mapping of names to values, not {kind}")
    if not all(isinstance(each, str) for item in environ.reveal().items() for each in item):
        raise ConfigurationError(f"{what} must map strings to strings")


def read_environ(file: str | os.PathLike[str]) -> dict[str, str]:
    """Read variables from a ``.env`` file, such as one from ``dump_environ``.

    The file has one ``NAME=value`` per line, quoted as in a shell. A leading ``export`` and
    comments are ignored.

    Args:
        file: the path of the file.

    Raises:
        ConfigurationError: the file cannot be read, or a line is invalid. The message shows no
            values.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"{file}: cannot be read: {reason}") from None
    environ: dict[str, str] = {}
    end = 0
    while end < len(text):
        found = _ASSIGNMENT.match(text, end)
        if found is None:
            line = text.count("\n", 0, end) + 1
            raise ConfigurationError(f"{file}:{line}: must be NAME=value, quoted as in a shell")
        if found["name"]:
            environ[found["name"]] = "".join(shlex.split(found["value"]))
        end = found.end()
    return environ


def dump_environ(environ: Mapping[str, str]) -> str:
    """Return variables as the text of a ``.env`` file, one ``NAME='value'`` per line.

    Load it in a shell with ``set -a; . ./.env; set +a``. It contains secrets: keep it out of
    version control.

    Args:
        environ: name → value, as filled by ``dump_specs``.

    Raises:
        ConfigurationError: ``environ`` does not map strings to strings.
    """
    check_environ(Secret.of(environ))
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in environ.items())
