"""Document → handler specs, with every key checked and every problem reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from bitpeak_async._http.form import name_problems, settings_problems
from bitpeak_async._secret import Secret
from bitpeak_async._structure import Keys, file_kind
from bitpeak_async.mappings import misspelt
from bitpeak_async.provisioning.spec_files.document import Document
from bitpeak_async.provisioning.spec_files.environment import UnsetError, environment, expand_value
from bitpeak_async.records import HandlerSpec
from bitpeak_async.settings import CLASSES, FIELDS, KnownSettings, Settings, UnknownSettings

_KEYS: Final = ("name", "type", "settings", "is_enabled", "renamed_from")
_NO_TYPE: Final = object()
_SWITCHES: Final = {"true": True, "false": False, "keep": None}


class SpecReader:
    """Reads the specs of one file; skips unusable ones and adds their problems.

    Problems quote only the file's own text, never values from the environment.

    Args:
        document: the file.
        environ: name → value; None for the process environment.

    Attributes:
        document: the file.
        names: a handler's name → its path in the document.
    """

    def __init__(self, document: Document, environ: Secret[Mapping[str, str] | None]) -> None:
        self.document = document
        self.names: dict[str, Keys] = {}
        self._environ = environment(environ)

    def read(self) -> list[HandlerSpec]:
        """Return the specs of the file.

        Raises:
            UnusableFileError: the file holds no list of handlers.
        """
        items = self.document.items("handlers")
        return [spec for keys, item in items if (spec := self._spec(keys, item)) is not None]

    def _spec(self, keys: Keys, item: Any) -> HandlerSpec | None:
        if not isinstance(item, dict):
            self.document.add(keys, f"must be a mapping, not {file_kind(item)}")
            return None
        self.document.add_unknown_keys(keys, item, _KEYS)
        for key, example in (("name", "Work email"), ("type", "email")):
            if key not in item:
                self.document.add(keys, f"has no {key}; add one such as '{key}: {example}'")
        name = self._name(keys, item["name"]) if "name" in item else None
        type_keys, settings_keys = (*keys, "type"), (*keys, "settings")
        settings = self._settings(
            type_keys, item.get("type", _NO_TYPE), settings_keys, item.get("settings", {})
        )
        is_enabled = self._switch((*keys, "is_enabled"), item.get("is_enabled", "true"))
        former = self._former((*keys, "renamed_from"), item.get("renamed_from"))
        if name is None or settings is None:
            return None
        return HandlerSpec(name, settings, is_enabled, renamed_from=former)

    def _former(self, keys: Keys, data: Any) -> str | None:
        name = None if data is None else self._text(keys, data)
        for _, problem in name_problems(name) if name is not None else ():
            self.document.add(keys, problem)
        return name

    def _name(self, keys: Keys, data: Any) -> str | None:
        name = self._text((*keys, "name"), data)
        if name is None:
            return None
        for _, problem in name_problems(name):
            self.document.add((*keys, "name"), problem)
        first = self.names.setdefault(name, keys)
        if first is not keys:
            self.document.add(keys, self.document.same_name(first))
        return name

    def _settings(self, type_keys: Keys, written: Any, keys: Keys, fields: Any) -> Settings | None:
        handler_type = None if written is _NO_TYPE else self._text(type_keys, written)
        if not isinstance(fields, dict):
            self.document.add(keys, f"must be a mapping, not {file_kind(fields)}")
            return None
        texts = {name: self._text((*keys, name), data) for name, data in fields.items()}
        if handler_type is None:
            return None
        if (cls := CLASSES.get(handler_type)) is not None:
            return self._known(cls, keys, texts)
        if meant := misspelt(handler_type, fields):
            problem = f"{written!r} is not a documented type; did you mean {meant!r}?"
            self.document.add(type_keys, f"{problem} known: {', '.join(CLASSES)}")
            return None
        given = {name: text for name, text in texts.items() if text is not None}
        arguments = {f"settings.fields[{name!r}]": (*keys, name) for name in fields}
        arguments |= {"settings.type": type_keys, "settings.fields": keys}
        return self._checked(UnknownSettings(handler_type, given), arguments)

    def _known(
        self, cls: type[KnownSettings], keys: Keys, texts: Mapping[str, str | None]
    ) -> Settings:
        wires = {python: wire.name for python, wire in FIELDS[cls].items()}
        self.document.add_unknown_keys(keys, texts, wires.values(), wires)
        for name in wires.values():
            if name not in texts:
                self.document.add(keys, f"lacks {name!r}, which {cls.type} needs")
        # "" replaces a missing text, whose problem is already added.
        settings = cls(**{python: texts.get(name) or "" for python, name in wires.items()})
        return self._checked(
            settings,
            {
                f"settings.{python}": (*keys, name)
                for python, name in wires.items()
                if texts.get(name) is not None
            },
        )

    def _checked(self, settings: Settings, arguments: Mapping[str, Keys]) -> Settings:
        """Add the problems of settings at the paths of their arguments."""
        for argument, problem in settings_problems(settings):
            if argument in arguments:
                self.document.add(arguments[argument], problem)
        return settings

    def _switch(self, keys: Keys, data: Any) -> bool | None:
        text = self._text(keys, data)
        if text is not None and text.lower() not in _SWITCHES:
            self.document.add(keys, "must be true, false or keep")
        return _SWITCHES.get((text or "").lower(), True)

    def _text(self, keys: Keys, data: Any) -> str | None:
        try:
            return expand_value(data, self._environ.reveal())
        except UnsetError as error:
            for name, problem in error.problems.items():
                self.document.add_unset(name, keys, problem)
            return None
        except ValueError as error:
            is_comment = data is None and self.document.file.endswith((".yaml", ".yml"))
            hint = "; quote a text that begins with '#'" if is_comment else ""
            self.document.add(keys, f"{error}{hint}")
            return None
