"""Sources of an account's key, read only when needed."""

from __future__ import annotations

import os
from abc import abstractmethod
from pathlib import Path
from typing import Protocol

from attrs import field, frozen

from bitpeak_async.errors import ConfigurationError
from bitpeak_async.settings import mask

__all__ = ["EnvironmentKey", "FileKey", "KeySource", "LiteralKey"]


class KeySource(Protocol):
    """Returns a key. Use one of the classes here, or write your own.

    For use in several processes it must pickle, and must refer to the key instead of holding it.
    """

    @abstractmethod
    def resolve(self) -> str:
        """Return the key.

        Raises:
            ConfigurationError: there is no key; the message says where it looked.
        """


@frozen
class EnvironmentKey:
    """A key in an environment variable of the process that uses it.

    Attributes:
        name: the name of the variable.
    """

    name: str

    def resolve(self) -> str:
        """Return the key."""
        if not os.environ.get(self.name):
            raise ConfigurationError(f"the environment variable {self.name} is not set")
        return os.environ[self.name]


@frozen
class FileKey:
    """A key in a file on the machine that uses it; surrounding white space is ignored.

    Attributes:
        path: the path of the file.
    """

    path: Path = field(converter=Path)

    def resolve(self) -> str:
        """Return the key."""
        try:
            return self.path.read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise ConfigurationError(f"the key cannot be read from {self.path}: {reason}")


@frozen
class LiteralKey:
    """The key itself. Its repr is masked; its pickle contains the key.

    Attributes:
        value: the key.
    """

    value: str = field(repr=mask)

    def resolve(self) -> str:
        """Return the key."""
        return self.value
