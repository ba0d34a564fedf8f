"""Choose the requests that a fault hits."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from random import Random
from typing import Any, TypedDict

from attrs import define, field, validators

from bitpeak_async.sandbox.faults import Fault
from bitpeak_async.sandbox.traffic import RequestRecord

_optional: Any = validators.optional  # typed, it would give a field the type of its default


class Conditions(TypedDict, total=False):
    """The keywords of `Sandbox.inject`; `Injection` explains them."""

    method: str | None
    path: str | None
    api_key: str | None
    when: Callable[[RequestRecord], bool] | None
    times: int | None
    after: int
    probability: float


@define(kw_only=True, eq=False)
class Injection:
    """A fault and the requests that it hits.

    Attributes:
        fault: The fault.
        method: The method of the requests; None for any.
        path: A shell pattern for `RequestRecord.path`, such as `/notification-handlers/*`;
            None for any.
        api_key: The key of the requests; None for any.
        when: An additional condition; None for none.
        times: How many requests fail; None for all.
        after: How many matching requests to spare first.
        probability: The share of the remaining requests that fail, from 0 to 1.
        matched: How many requests have matched so far.
        fired: How many requests have failed so far.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: A count is negative, or the probability is not between 0 and 1.
    """

    fault: Fault = field(validator=validators.instance_of(Fault))
    method: str | None = field(default=None, validator=_optional(validators.instance_of(str)))
    path: str | None = field(default=None, validator=_optional(validators.instance_of(str)))
    api_key: str | None = field(
        default=None, repr=False, validator=_optional(validators.instance_of(str))
    )
    when: Callable[[RequestRecord], bool] | None = field(
        default=None, validator=_optional(validators.is_callable())
    )
    times: int | None = field(
        default=1, validator=_optional([validators.instance_of(int), validators.ge(0)])
    )
    after: int = field(default=0, validator=[validators.instance_of(int), validators.ge(0)])
    probability: float = field(default=1.0, validator=[validators.ge(0), validators.le(1)])
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    @property
    def left(self) -> int | None:
        """The number of requests that will still fail; None for all."""
        return None if self.times is None else self.times - self.fired

    def fires(self, record: RequestRecord, random: Random) -> bool:
        """Decide about one request, and count it."""
        if not self._matches(record):
            return False
        self.matched += 1
        if self.left == 0 or self.matched <= self.after or random.random() >= self.probability:
            return False
        self.fired += 1
        return True

    def _matches(self, record: RequestRecord) -> bool:
        return (
            (self.method is None or self.method == record.method)
            and (self.path is None or fnmatchcase(record.path, self.path))
            and (self.api_key is None or record.authorization == f"Bearer {self.api_key}")
            and (self.when is None or self.when(record))
        )


class FaultPlan:
    """All injections; the first one that fires decides.

    Args:
        random: The source of probabilities.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self.injections: list[Injection] = []

    def choose(self, record: RequestRecord) -> Fault | None:
        """Return the fault for a request, if any."""
        for injection in self.injections:
            if injection.fires(record, self._random):
                return injection.fault
        return None
