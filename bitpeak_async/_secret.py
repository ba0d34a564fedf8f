"""A holder for secrets: no repr and no variable of a frame shows its value."""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar, cast

from attrs import field, frozen

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
P = ParamSpec("P")
R = TypeVar("R")


@frozen
class Secret(Generic[T_co]):
    """Hides a value from tools that print the variables of a traceback's frames.

    Such tools also walk mappings and sequences, so this is neither. Some evaluate the attributes
    that a source line names, so only a call reveals the value. Call it inside an expression,
    because a variable would show the value in its frame. A secret does not pickle; a class that
    must pickle one writes its own ``__reduce__``.
    """

    _value: T_co = field(repr=False)

    def reveal(self) -> T_co:
        """Return the value."""
        return self._value

    @staticmethod
    def of(value: T | Secret[T]) -> Secret[T]:
        """Return a value as a secret, unless it is one already."""
        return value if isinstance(value, Secret) else Secret(value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not pickle")


def hides(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Wrap arguments in ``Secret`` before the frame of the decorated function exists.

    The signature keeps the types that callers pass; the body unwraps with ``Secret.of(name)``.

    Args:
        names: the parameters that take secrets.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        parameters = inspect.signature(function).parameters.values()
        in_order = [each.name for each in parameters if each.kind is each.POSITIONAL_OR_KEYWORD]
        places = [in_order.index(name) for name in names if name in in_order]
        takes_secrets = cast("Callable[..., R]", function)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> R:
            positional = [*args]
            for place in places:
                if place < len(args):
                    positional[place] = Secret.of(args[place])
            for name in names:
                if name in kwargs:
                    kwargs[name] = Secret.of(kwargs[name])
            given: list[Any] = [kwargs, positional]
            # This frame is visible too, for example if an argument is misplaced or misspelt.
            args, positional, kwargs = (), [], {}
            return takes_secrets(*given.pop(), **given.pop())

        if inspect.iscoroutinefunction(function):
            _mark_coroutine_function(call)
        return cast("Callable[P, R]", call)

    return decorate


if sys.version_info >= (3, 12):
    _mark_coroutine_function = inspect.markcoroutinefunction
else:

    def _mark_coroutine_function(function: Any) -> None:
        # Like asgiref; unittest.mock and asyncio check for it.
        vars(function)["_is_coroutine"] = vars(asyncio.coroutines)["_is_coroutine"]
