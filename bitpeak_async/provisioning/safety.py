"""Refuses plans that delete too much or have gone stale."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from bitpeak_async._http.pagination import SeenIds
from bitpeak_async.errors import PlanError
from bitpeak_async.provisioning.changes import Change, Delete, Unchanged
from bitpeak_async.provisioning.plan import Plan

# As octoDNS: deleting more than a third of what there is is rather a mistake than a wish.
_MAX_SHARE: Final = 0.3
_FEW: Final = 10


def refuse_unsafe(plan: Plan, max_deletes: int | None, *, force: bool) -> None:
    """Raise PlanError if a plan deletes more than it may.

    Args:
        plan: to be applied.
        max_deletes: deletions allowed at most, or None for no such limit.
        force: allow deleting more than 30 % of ten or more handlers that pruning reaches.
    """
    count = len(plan.deletes)
    if max_deletes is not None and count > max_deletes:
        raise PlanError(f"the plan deletes {count} handlers, at most {max_deletes} are allowed")
    if not force and plan.reached >= _FEW and count > _MAX_SHARE * plan.reached:
        raise PlanError(
            f"the plan deletes {count} of the {plan.reached} handlers that match {plan.prune!r}: "
            f"more than {_MAX_SHARE:.0%}; force it if that is meant"
        )


def still_valid(plan: Plan, now: Plan, existing: SeenIds) -> Plan:
    """Return what is left to do of a plan, as things are now.

    Where somebody made the very change meanwhile, nothing is left to do, and that is fine. What
    pruning would reach only now was not in the plan, and stays.

    Args:
        plan: to be applied.
        now: made from the same specs and salt just now.
        existing: the ids of all handlers there are now.

    Raises:
        PlanError: it is for another server, or a handler that it touches changed since; it names
            each.
    """
    if plan.server != now.server:
        raise PlanError(f"the plan is for {plan.server}, and this is {now.server}; plan again")
    stale: list[str] = []
    changes: list[Change] = []
    after = {change.name: change for change in now.changes if not isinstance(change, Delete)}
    deletes = {change.handler_id: change for change in now.deletes}
    for before in plan.changes:
        if not isinstance(before, Delete):
            current = after[before.name]
            fresh = isinstance(current, Unchanged) or before == current
            changes.append(current)
        else:
            fresh = deletes.get(before.handler_id) == before or before.handler_id not in existing
            changes.append(before)
        if not fresh:
            stale.append(before.name)
    if stale:
        names = ", ".join(map(repr, stale))
        raise PlanError(
            f"the plan is stale: {names} changed since; plan again",
            problems=tuple(f"{name!r} changed since the plan was made" for name in stale),
        )
    return evolve(now, changes=tuple(changes))
