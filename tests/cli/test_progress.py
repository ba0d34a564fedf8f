"""Ctrl-C while a progress bar is shown."""

import asyncio
import signal

import pytest

from bitpeak_async.cli._progress import progress

pytestmark = pytest.mark.skipif("sys.platform == 'win32'", reason="raises it otherwise")


def test_a_second_ctrl_c_cancels_again_and_raises_nothing_in_the_event_loop():
    cancelled = 0

    async def main() -> None:
        nonlocal cancelled
        with progress(1, "handler"):
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
                try:
                    await asyncio.sleep(10)
                except asyncio.CancelledError as end:
                    cancelled += 1
                    error = end
            raise error

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert 2 == cancelled


def test_a_third_ctrl_c_interrupts_at_once():
    reached = False

    async def main() -> None:
        nonlocal reached
        with progress(1, "handler"):
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
            reached = True

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())
    assert not reached
