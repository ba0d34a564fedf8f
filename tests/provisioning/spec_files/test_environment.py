"""${NAME} in the texts of a spec file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitpeak_async.provisioning.spec_files.environment import expand


@given(st.text())
def test_text_without_dollars_is_left_alone(text: str):
    if "$" not in text:
        assert text == expand(text, {})


@given(st.text())
def test_a_doubled_dollar_is_one(text: str):
    assert text == expand(text.replace("$", "$$"), {})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("${A}", "1"),
        ("x${A}y${B:-2}z", "x1y2z"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY}", ""),
        ("${B:-}", ""),
        ("$${A}", "${A}"),
        ("${B:-a$$b}", "a$b"),
    ],
)
def test_references_are_expanded(text: str, expanded: str):
    assert expanded == expand(text, {"A": "1", "EMPTY": ""})


def test_all_problems_of_a_text_are_reported_at_once_without_repetition():
    with pytest.raises(ValueError, match=r"A is not set.*; .*B is not set.*; holds a") as caught:
        expand("${A} ${B} ${A} $C ${V}", {"V": "canary-4711"})
    assert 2 == str(caught.value).count("is not set")
    assert "canary" not in str(caught.value)
