"""Options: what cannot work is refused by name, before anything is sent."""

import math

import attrs
import pytest

from bitpeak_async.errors import ConfigurationError
from bitpeak_async.options import Pace, Retry, Timeout

NO_NUMBERS = [None, "1", b"1", True, False, math.nan, math.inf, -math.inf, 1j, [1]]
BELOW = {
    "at least 0": [-1, -0.001],
    "at least 1": [0, -1],
    "above 0": [0, 0.0, -1],
}
OPTIONS = [
    (Timeout, "total", "a number above 0"),
    (Timeout, "connect", "a number above 0"),
    (Retry, "attempts", "a whole number of at least 1"),
    (Retry, "throttled_attempts", "a whole number of at least 1"),
    (Retry, "base_delay", "a number of at least 0"),
    (Retry, "max_delay", "a number of at least 0"),
    (Retry, "give_up_after", "a number above 0"),
    (Retry, "budget", "a whole number of at least 0"),
    (Retry, "unknown_outcome_delay", "a number of at least 0"),
    (Retry, "duplicate_check_delay", "a number of at least 0"),
    (Pace, "in_flight", "a whole number of at least 1"),
    (Pace, "requests_per_minute", "a number above 0"),
]


def bad_values():
    for cls, option, rule in OPTIONS:
        below = next(values for bound, values in BELOW.items() if rule.endswith(bound))
        fractions = [1.5, 1.0] if "whole" in rule else []
        optional = (cls, option) == (Pace, "requests_per_minute")
        for value in [*NO_NUMBERS, *below, *fractions]:
            if not (optional and value is None):
                yield pytest.param(cls, option, rule, value, id=f"{option}={value!r}")


@pytest.mark.parametrize(("cls", "option", "rule", "value"), [*bad_values()])
def test_a_bad_value_is_refused_with_its_name_and_rule(cls, option, rule, value):
    with pytest.raises(ConfigurationError) as caught:
        cls(**{option: value})
    assert f"{cls.__name__}({option}=) must be {rule}, not {value!r}" == str(caught.value)


@pytest.mark.parametrize(("cls", "option", "rule"), OPTIONS)
@pytest.mark.parametrize("digits", [400, 5000])
def test_a_number_that_no_float_can_hold_is_refused(cls, option, rule, digits):
    with pytest.raises(ConfigurationError) as caught:
        cls(**{option: 10**digits})
    assert f"{cls.__name__}({option}=) must be {rule}, not one that large" == str(caught.value)


@pytest.mark.parametrize(("cls", "option", "rule"), OPTIONS)
def test_values_at_the_bound_and_far_above_are_fine(cls, option, rule):
    lowest = 1 if rule.endswith("1") else 0
    if "above" in rule:
        lowest = 0.001
    for value in (lowest, 10**300):
        assert value == getattr(cls(**{option: value}), option)


@pytest.mark.parametrize("cls", [Timeout, Retry, Pace])
def test_every_option_is_checked_and_has_a_default(cls):
    assert {f.name for f in attrs.fields(cls)} == {o for owner, o, _ in OPTIONS if owner is cls}
    assert cls() == cls()


@pytest.mark.parametrize("cls", [Timeout, Retry, Pace])
def test_options_are_given_by_name(cls):
    with pytest.raises(TypeError):
        cls(1)


def test_evolving_checks_again():
    with pytest.raises(ConfigurationError, match=r"Retry\(attempts=\)"):
        attrs.evolve(Retry(), attempts=0)


def test_no_fixed_pace_is_a_choice():
    assert Pace().requests_per_minute is None
