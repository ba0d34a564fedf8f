"""Plain data into attrs classes: nothing is converted, and all that does not fit is told."""

from typing import Any

import pytest
from attrs import frozen

from bitpeak_async._structure import (
    child_path,
    did_you_mean,
    first_problem,
    problem_lines,
    strict_converter,
)

CONVERTER = strict_converter()


@frozen
class Point:
    x: int
    label: str | None = None
    weight: float = 1


@frozen
class Line:
    name: str
    points: tuple[Point, ...]


def refused(raw: Any) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever cattrs raises
        CONVERTER.structure(raw, Line)
    return caught.value


def test_what_fits_is_taken_as_it_is():
    raw = {"name": "a", "points": [{"x": 1, "label": None, "weight": 2}, {"x": 2}]}
    assert Line("a", (Point(1, None, 2), Point(2))) == CONVERTER.structure(raw, Line)


def test_all_problems_are_reported_with_their_paths_and_without_values():
    raw = {
        "nam": "canary",
        "points": [{"x": "canary"}, {"x": True, "label": 1, "weight": "canary"}, [1], {"x": 1.5}],
        "e mail": 1,
    }
    assert [
        "name: missing",
        "points[0].x: must be a whole number, not a string",
        "points[1].x: must be a whole number, not a boolean",
        "points[1].label: must be a string, not a number",
        "points[1].weight: must be a number, not a string",
        "points[2]: must be a mapping, not a list",
        "points[3].x: must be a whole number, not a number",
        "['e mail']: is not a known key; known: name, points",
        "nam: is not a known key; did you mean 'name'?",
    ] == problem_lines(refused(raw))


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (5, "must be a mapping, not a number"),
        ({"name": "a", "points": "ab"}, "points: must be a list, not a string"),
        ({"name": "a", "points": {}}, "points: must be a list, not a mapping"),
        ({"name": None, "points": []}, "name: must be a string, not null"),
    ],
)
def test_no_kind_is_taken_for_another(raw: Any, line: str):
    assert [line] == problem_lines(refused(raw))


def test_the_first_problem_has_its_path_below_a_root():
    assert ("$.points[0].x", "missing") == first_problem(
        refused({"name": "a", "points": [{}]}), "$"
    )


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("", "a", "a"),
        ("a", "b", "a.b"),
        ("", 3, "[3]"),
        ("a", 3, "a[3]"),
        ("a", "e mail", "a['e mail']"),
        ("", "", "['']"),
    ],
)
def test_paths_are_written_so_that_no_key_is_ambiguous(path: str, key: str | int, expected: str):
    assert expected == child_path(path, key)


@pytest.mark.parametrize(
    ("word", "aliases", "hint"),
    [
        ("slak", {}, "did you mean 'slack'?"),
        ("zzz", {}, "known: slack, email"),
        ("zzz", {"zzz": "email"}, "did you mean 'email'?"),
    ],
)
def test_a_near_miss_is_hinted_at(word: str, aliases: dict[str, str], hint: str):
    assert hint == did_you_mean(word, ["slack", "email"], aliases)
