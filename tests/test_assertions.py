"""No test asserts what is always true."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# ``assert a <= b if c else d`` is ``assert (a <= b) if c else d``; the others are always true.
SUSPECT = (ast.IfExp, ast.GeneratorExp, ast.JoinedStr, ast.Lambda, ast.Tuple)


def empty_assertions(source: str) -> list[int]:
    """Return the lines of assertions that cannot fail, or not in one branch."""
    tree = ast.parse(source)
    tests = [(node.lineno, node.test) for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return [
        line
        for line, test in tests
        if isinstance(test, SUSPECT)
        or (isinstance(test, ast.BoolOp) and any(isinstance(v, ast.Constant) for v in test.values))
    ]


def test_every_assertion_can_fail():
    found = {
        str(path.relative_to(TESTS)): lines
        for path in TESTS.rglob("*.py")
        if (lines := empty_assertions(path.read_text(encoding="utf-8")))
    }
    assert {} == found


@pytest.mark.parametrize(
    "line",
    [
        "assert share <= 0.03 if members <= 3 else 0.06",
        "assert count == 1 or 2",
        "assert (count == 1, 'one')",
        "assert (each.ok for each in outcomes)",
        "assert f'{count} is 1'",
    ],
)
def test_an_assertion_that_cannot_fail_is_found(line: str):
    assert [1] == empty_assertions(line)


@pytest.mark.parametrize(
    "line", ["assert share <= (0.03 if members <= 3 else 0.06)", "assert a or b", "assert a, 'b'"]
)
def test_an_assertion_that_can_fail_is_left_alone(line: str):
    assert [] == empty_assertions(line)
