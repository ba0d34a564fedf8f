"""Checks a desired set: specs that can be sent, no two of one identity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bitpeak_async._bulk.identity import Names
from bitpeak_async._http.form import spec_problems
from bitpeak_async.errors import PlanError
from bitpeak_async.records import HandlerSpec


def as_list(specs: Iterable[HandlerSpec]) -> list[HandlerSpec]:
    """Return the specs as a list; raise PlanError for what cannot be iterated over."""
    if not isinstance(specs, Iterable):
        kind = type(specs).__name__
        raise PlanError(f"specs must be an iterable of HandlerSpec, not {kind}")
    return list(specs)


def validate_specs(specs: Iterable[HandlerSpec]) -> list[HandlerSpec]:
    """Return the specs; raise PlanError for those that cannot be sent or share a name."""
    desired = as_list(specs)
    problems: list[str] = []
    seen: dict[str, int] = {}
    renamed: list[tuple[int, str]] = []
    for place, spec in enumerate(desired, 1):
        if not isinstance(spec, HandlerSpec):
            problems.append(f"spec {place}: must be a HandlerSpec, not {type(spec).__name__}")
            continue
        if found := spec_problems(spec):
            problems += [f"spec {place} ({spec.name!r}): {name} {what}" for name, what in found]
        else:
            first = seen.setdefault(spec.name, place)
            if first != place:
                problems.append(f"specs {first} and {place} share the name {spec.name!r}")
            if spec.renamed_from is not None and spec.renamed_from != spec.name:
                renamed.append((place, spec.renamed_from))
    problems += _former_problems(renamed, seen)
    if problems:
        raise PlanError("; ".join(problems), problems=tuple(problems))
    return desired


def _former_problems(renamed: list[tuple[int, str]], seen: dict[str, int]) -> Iterator[str]:
    firsts: dict[str, int] = {}
    for place, name in renamed:
        if name in seen:
            yield f"spec {place} is renamed from {name!r}, the name of spec {seen[name]}"
        elif (first := firsts.setdefault(name, place)) != place:
            yield f"specs {first} and {place} are both renamed from {name!r}"


def distinct(desired: Iterable[HandlerSpec]) -> Names:
    """Return the names of the specs; raise PlanError if a server may keep two of them as one."""
    places = {spec.name: place for place, spec in enumerate(desired, 1)}
    names = Names(places)
    if names.clashes:
        problems = tuple(
            f"specs {places[first]} and {places[second]} have names that a server may keep as one: "
            f"{first!r} and {second!r}"
            for first, second in names.clashes
        )
        raise PlanError("; ".join(problems), problems=problems)
    return names
