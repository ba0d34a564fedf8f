"""Change texts on the way in, as PHP applications do; pure functions."""

import re
from collections.abc import Mapping
from itertools import pairwise
from unicodedata import normalize

from attrs import field, frozen, validators

#: PHP's `trim` removes these.
_WHITE_SPACE = " \t\n\r\0\x0b"
_RUN_OF_WHITE_SPACE = re.compile(r"[ \t\n\r\f\v]+")
#: PHP's `htmlspecialchars` with `ENT_QUOTES`.
_ENTITIES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#039;"})
_NOT_TEXT = frozenset({"type", "is_enabled"})

_width = validators.optional(validators.ge(1))


@frozen(kw_only=True)
class Cleaning:
    """The changes that a server makes to names and settings before it stores them, in order.

    Attributes:
        composes: Compose Unicode (NFC).
        lowers_emails: Convert email addresses to lower case.
        strips_tags: Remove HTML tags.
        trims: Remove white space at both ends.
        squeezes: Replace every run of white space with one space.
        entities: How many times `& < > " '` are escaped as HTML entities.
        name_width: The maximum length of a name, in characters; the rest is cut off.
        settings_width: The maximum length of a settings value, in characters; the rest is cut off.

    Raises:
        ValueError: A number is negative, or a width 0.
    """

    composes: bool = False
    lowers_emails: bool = False
    strips_tags: bool = False
    trims: bool = False
    squeezes: bool = False
    entities: int = field(default=0, validator=validators.ge(0))
    name_width: int | None = field(default=None, validator=_width)
    settings_width: int | None = field(default=None, validator=_width)

    def clean(self, fields: Mapping[str, str]) -> dict[str, str]:
        """Return the fields of a form as they are stored."""
        return {
            name: value if name in _NOT_TEXT else self._clean(name, value)
            for name, value in fields.items()
        }

    def _clean(self, name: str, text: str) -> str:
        if self.composes:
            text = normalize("NFC", text)
        if self.lowers_emails and name == "email":
            text = text.lower()
        if self.strips_tags:
            text = _strip_tags(text)
        if self.trims:
            text = text.strip(_WHITE_SPACE)
        if self.squeezes:
            text = _RUN_OF_WHITE_SPACE.sub(" ", text)
        for _ in range(self.entities):
            text = text.translate(_ENTITIES)
        return text[: self.name_width if name == "name" else self.settings_width]


def _strip_tags(text: str) -> str:
    """Do what PHP's `strip_tags` does to text without quotes or comments in its tags."""
    kept, depth = [], 0
    for character, following in pairwise(f"{text}."):
        if character == "<" and not following.isspace():
            depth += 1
        elif character == ">" and depth:
            depth -= 1
        elif not depth:
            kept.append(character)
    return "".join(kept)
