"""Check desired specs: each can be sent, and no two have the same identity."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Mapping, Sequence
from os import PathLike

from bitpeak_async._bulk.identity import Names
from bitpeak_async._http.form import spec_problems
from bitpeak_async.errors import PlanError
from bitpeak_async.records import HandlerSpec


def as_list(specs: Iterable[HandlerSpec]) -> list[HandlerSpec]:
    """Return the specs as a list; raise PlanError if they are not iterable."""
    if problem := iterable_problem(specs):
        raise PlanError(problem)
    return list(specs)


def iterable_problem(specs: object) -> str | None:
    """Return why ``specs`` is unusable; a string would otherwise give one problem per letter."""
    if isinstance(specs, str | PathLike):
        return f'specs must be HandlerSpec objects; read_specs("{specs}") reads them from a file'
    if isinstance(specs, Iterable | AsyncIterable) and not isinstance(specs, Mapping | bytes):
        return None
    return f"specs must be an iterable of HandlerSpec, not {type(specs).__name__}"


def validate_specs(specs: Iterable[HandlerSpec]) -> list[HandlerSpec]:
    """Return the specs; raise PlanError for those that cannot be sent or share a name."""
    desired = as_list(specs)
    problems: list[str] = []
    seen: dict[str, int] = {}
    renamed: list[tuple[int, str]] = []
    others: dict[str, list[int]] = {}
    for place, spec in enumerate(desired, 1):
        if not isinstance(spec, HandlerSpec):
            others.setdefault(type(spec).__name__, []).append(place)
            continue
        if found := spec_problems(spec):
            problems += [f"spec {place} ({spec.name!r}): {name} {what}" for name, what in found]
        else:
            first = seen.setdefault(spec.name, place)
            if first != place:
                problems.append(f"specs {first} and {place} share the name {spec.name!r}")
            if spec.renamed_from is not None and spec.renamed_from != spec.name:
                renamed.append((place, spec.renamed_from))
    problems += _kind_problems(others)
    problems += _former_problems(renamed, seen)
    if problems:
        raise PlanError("; ".join(problems), problems=tuple(problems))
    return desired


def _kind_problems(others: dict[str, list[int]]) -> Iterator[str]:
    for kind, places in others.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        hint = "; spec_from_dict makes one" if kind == "dict" else ""
        yield f"spec {places[0]}{more}: must be a HandlerSpec, not {kind}{hint}"


def _former_problems(renamed: list[tuple[int, str]], seen: dict[str, int]) -> Iterator[str]:
    firsts: dict[str, int] = {}
    for place, name in renamed:
        if name in seen:
            yield f"spec {place} is renamed from {name!r}, the name of spec {seen[name]}"
        elif (first := firsts.setdefault(name, place)) != place:
            yield f"specs {first} and {place} are both renamed from {name!r}"


def distinct(desired: Sequence[HandlerSpec]) -> Names:
    """Return the names of the specs; raise PlanError if a server may store two as one."""
    names = Names(spec.name for spec in desired)
    if names.clashes:
        places = {spec.name: place for place, spec in enumerate(desired, 1)}
        problems = tuple(
            f"specs {places[first]} and {places[second]} have names that a server may store as "
            f"one: {first!r} and {second!r}"
            for first, second in names.clashes
        )
        raise PlanError("; ".join(problems), problems=problems)
    return names
