"""The synchronous client in a real Jupyter kernel, whose cells run inside its event loop."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from bitpeak_async.sandbox import Fault, Sandbox

pytestmark = pytest.mark.notebook


@pytest.fixture
def kernel(threaded_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A kernel and its client, with ``bitpeak`` ready in it."""
    monkeypatch.setenv("BITPEAK_API_KEY", threaded_sandbox.api_key)
    monkeypatch.setenv("BITPEAK_BASE_URL", threaded_sandbox.base_url)
    from jupyter_client.manager import start_new_kernel  # noqa: PLC0415 - not in the default run

    manager, client = start_new_kernel(kernel_name="python3")
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def run(client: Any, code: str) -> str:
    """Run a cell; return the name of its error, or ``""``."""
    return client.execute_interactive(code, timeout=30)["content"].get("ename", "")


def test_cells_block_and_can_be_interrupted(kernel: Any, threaded_sandbox: Sandbox):
    manager, client = kernel
    threaded_sandbox.seed_handlers(30)
    setup = """
import asyncio
from bitpeak_async import SyncBitPeak
assert asyncio.get_running_loop().is_running()
bitpeak = SyncBitPeak()
"""
    assert "" == run(client, setup)
    whole = "assert 30 == len(list(bitpeak.notification_handlers.iterate(results_per_page=10)))"
    assert "" == run(client, whole)

    threaded_sandbox.inject(Fault.stall())
    cell = client.execute("bitpeak.notification_handlers.get(1)")
    while not threaded_sandbox.in_flight:
        time.sleep(0.01)
    manager.interrupt_kernel()
    while (reply := client.get_shell_msg(timeout=30))["parent_header"]["msg_id"] != cell:
        pass
    assert "KeyboardInterrupt" == reply["content"]["ename"]
    assert "" == run(client, whole)
