"""A service of typed functions around the SDK, checked at run time by import hooks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from deployments.processes import PATIENCE

from bitpeak_async.sandbox import Sandbox

pytestmark = pytest.mark.deployments

SERVICE = """
import asyncio
from collections.abc import AsyncIterator, Sequence

from bitpeak_async import (
    BitPeak, EmailSettings, HandlerSpec, NotificationHandler, Page, Plan, Report, Settings,
    SettingsFields, SyncBitPeak,
)
from bitpeak_async.notification_handlers import NotificationHandlers
from bitpeak_async.sync import Stream, SyncNotificationHandlers


async def create(handlers: NotificationHandlers, name: str, settings: Settings) -> int:
    return await handlers.create(name, settings)

async def update(handlers: NotificationHandlers, i: int, fields: SettingsFields) -> None:
    await handlers.update(i, settings=fields)

async def page(handlers: NotificationHandlers) -> Page[NotificationHandler]:
    return await handlers.list()

async def provision(bitpeak: BitPeak, specs: Sequence[HandlerSpec]) -> tuple[Plan, Report]:
    return await bitpeak.plan(specs), await bitpeak.provision(specs)

def every(handlers: SyncNotificationHandlers) -> Stream[NotificationHandler]:
    return handlers.iterate()

async def main() -> None:
    async with BitPeak() as bitpeak:
        handlers = bitpeak.notification_handlers
        settings: Settings = EmailSettings("a@example.com")
        await update(handlers, await create(handlers, "a", settings), {"email": "b@example.com"})
        await page(handlers)
        await provision(bitpeak, [HandlerSpec("b", settings)])

def run() -> None:
    asyncio.run(main())
    with SyncBitPeak() as bitpeak:
        print(*[handler.name for handler in every(bitpeak.notification_handlers)])
    every("no handlers")
"""
CHECKERS = {
    "typeguard": """
from typeguard import install_import_hook, TypeCheckError as Wrong
install_import_hook("service")
""",
    "beartype": """
from beartype.claw import beartype_package
from beartype.roar import BeartypeCallHintParamViolation as Wrong
beartype_package("service")
""",
}
RUN = """
import service
try:
    service.run()
except Wrong:
    print("refused")
"""


@pytest.mark.parametrize("checker", CHECKERS.values(), ids=CHECKERS)
def test_a_service_that_is_checked_at_run_time_uses_the_sdk(
    checker: str, threaded_sandbox: Sandbox, tmp_path: Path
):
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "run.py").write_text(checker + RUN)
    env = {
        "BITPEAK_API_KEY": threaded_sandbox.api_key,
        "BITPEAK_BASE_URL": threaded_sandbox.base_url,
    }
    told = subprocess.check_output(
        [sys.executable, "run.py"],
        cwd=tmp_path,
        env={**os.environ, **env},
        text=True,
        timeout=PATIENCE,
    )
    assert ["a b", "refused"] == told.splitlines()
