"""One run: read the list once, compare it with the specs, and apply the differences."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import aclosing

from bitpeak_async._bulk.driver import Driver, Handlers
from bitpeak_async._bulk.ledger import Ledger
from bitpeak_async._display import progress
from bitpeak_async._http.transport import CallOptions, Transport
from bitpeak_async.keywords import ProvisionConfig
from bitpeak_async.provisioning.apply import apply_plan
from bitpeak_async.provisioning.changes import Delete
from bitpeak_async.provisioning.plan import Plan, make_plan
from bitpeak_async.provisioning.report import Outcome, Report
from bitpeak_async.provisioning.safety import refuse_unsafe, still_valid
from bitpeak_async.records import HandlerSpec


class Run:
    """Plans and applies once.

    Args:
        transport: the client's transport.
        options: the options of its calls.
        handlers: the resource.
        config: the options of the run.
    """

    def __init__(
        self,
        transport: Transport,
        options: CallOptions,
        handlers: Handlers,
        config: ProvisionConfig,
    ) -> None:
        ledger = Ledger(options.retry, verifies=config.verify)
        self._driver = Driver.over(transport, options, handlers, ledger)
        self._server = transport.wire.base_url
        self._config = config

    async def plan(self, specs: Iterable[HandlerSpec]) -> Plan:
        """Read the list and compare."""
        config = self._config
        return await self._compare(specs, config.prune, config.resend_secrets)

    async def apply(self, plan: Plan, on_outcome: Callable[[Outcome], object] | None) -> Report:
        """Read the list again, refuse a stale plan, and apply what is still to do."""
        specs = [change.spec for change in plan.changes if not isinstance(change, Delete)]
        now = await self._compare(specs, plan.prune, plan.resend_secrets, plan.salt)
        left = still_valid(plan, now, self._driver.ledger.existing)
        return await self._carry_out(left, on_outcome)

    async def provision(
        self,
        specs: Iterable[HandlerSpec],
        on_outcome: Callable[[Outcome], object] | None = None,
        *,
        shows_progress: bool = False,
    ) -> Report:
        """Plan and apply."""
        plan = await self.plan(specs)
        if not shows_progress:
            return await self._carry_out(plan, on_outcome)
        with progress("Provisioning", len(plan.changes)) as advance:
            seen = set[int]()

            def tell(outcome: Outcome) -> None:
                if (
                    id(outcome.change) not in seen
                ):  # an outcome is reported again if the final listing corrects it
                    seen.add(id(outcome.change))
                    advance()
                if on_outcome is not None:
                    on_outcome(outcome)

            return await self._carry_out(plan, tell)

    async def _carry_out(
        self, plan: Plan, on_outcome: Callable[[Outcome], object] | None
    ) -> Report:
        config = self._config
        refuse_unsafe(plan, config.max_deletes, force=config.force)
        return await apply_plan(plan, self._driver, on_outcome=on_outcome, grace=config.grace)

    async def _compare(
        self,
        specs: Iterable[HandlerSpec],
        prune: str | None,
        resend_secrets: str | None,
        salt: str | None = None,
    ) -> Plan:
        driver = self._driver
        driver.start()
        async with driver.in_time(), aclosing(driver.handlers.pages()) as pages:
            return await make_plan(
                specs,
                pages,
                driver.ledger.existing,
                prune=prune,
                resend_secrets=resend_secrets,
                server=self._server,
                salt=salt,
            )
