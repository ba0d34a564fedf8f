"""Progress on stderr: count, speed, time left, and the effect of Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from bitpeak_async.cli import _output
from bitpeak_async.events import RateSnapshot

_TICK: Final = 0.2  # seconds


class _Bar(Progress):
    """A bar with a line of text below it."""

    line = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Return the bar and the line."""
        yield from super().get_renderables()
        if self.line:
            yield Text(self.line, "dim")


@contextmanager
def progress(
    total: int, noun: str, rate: Callable[[], RateSnapshot] | None = None
) -> Iterator[Callable[[object], None]]:
    """Yield a listener that advances a progress bar, if stderr is a terminal.

    Ctrl-C is acknowledged at once. The bar is refreshed on the event loop, because reading the rate
    from another thread would race with its changes.

    Args:
        total: the number of things.
        noun: what they are, in the singular.
        rate: returns the current rate.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    is_shown = _output.err.is_terminal and not _output.modes.is_quiet
    loop = asyncio.get_running_loop()
    bar = _Bar(
        *columns, console=_output.err, transient=True, disable=not is_shown, auto_refresh=False
    )
    task = bar.add_task("Applying", total=total)

    def advance(_: object) -> None:
        if not bar.finished:  # an outcome is reported again if the final listing corrects it
            bar.advance(task)

    timer = loop.call_later(_TICK, lambda: tick())  # noqa: PLW0108 - it is defined below

    def tick() -> None:
        nonlocal timer
        bar.line = _line(bar.tasks[0].finished_speed or bar.tasks[0].speed, bar, noun, rate)
        bar.refresh()
        timer = loop.call_later(_TICK, tick)

    with bar, _acknowledged(loop, rate):
        try:
            yield advance
        finally:
            timer.cancel()


def _line(
    speed: float | None, bar: Progress, noun: str, rate: Callable[[], RateSnapshot] | None
) -> str:
    paused_for = rate().paused_for if rate is not None else 0
    if paused_for > 0:
        return f"rate limited, resumes in {paused_for:.0f} s"
    if not speed:
        return ""
    left = bar.tasks[0].time_remaining
    return f"{speed:.1f} {noun}s/s" + (f", about {left:.0f} s left" if left else "")


@contextmanager
def _acknowledged(
    loop: asyncio.AbstractEventLoop, rate: Callable[[], RateSnapshot] | None
) -> Iterator[None]:
    """Print a note at the first Ctrl-C, which cancels the task. The second one cancels it again.

    By default the second one raises ``KeyboardInterrupt`` anywhere in the event loop, which may
    then never wake the task up. The third one still does.
    """
    task: Any = asyncio.current_task()
    cancel: Any = signal.getsignal(signal.SIGINT)
    if not callable(cancel) or threading.current_thread() is not threading.main_thread():
        yield
        return

    def acknowledge() -> None:
        what = _output.counted(rate().in_flight, "request") if rate is not None else "requests"
        _output.note(f"Finishing {what}; press Ctrl-C again to stop at once")

    def cancel_again() -> None:
        task.cancel()
        task.uncancel()  # asyncio.run() reports an interrupt only if it was cancelled once

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, cancel)
        loop.call_soon_threadsafe(cancel_again)

    def interrupt(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, stop)
        # Deferred, because the signal may interrupt a write to the same stream.
        loop.call_soon_threadsafe(acknowledge)
        cancel(number, frame)

    signal.signal(signal.SIGINT, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, cancel)
