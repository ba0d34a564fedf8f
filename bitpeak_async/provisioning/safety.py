"""Refuse plans that delete too much or are stale."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from bitpeak_async._http.pagination import SeenIds
from bitpeak_async.errors import PlanError
from bitpeak_async.provisioning.changes import Change, Delete, Unchanged, Update
from bitpeak_async.provisioning.plan import Plan

# As in octoDNS, deleting about a third of all handlers is probably a mistake.
_MAX_SHARE: Final = 0.3
_FEW: Final = 10


def refuse_unsafe(plan: Plan, max_deletes: int | None, *, force: bool) -> None:
    """Raise PlanError if a plan deletes too much.

    Args:
        plan: the plan to apply.
        max_deletes: the most deletions allowed, or None for no such limit.
        force: allow deleting more than 30 % of ten or more handlers that match ``prune``.
    """
    count = len(plan.deletes)
    if max_deletes is not None and count > max_deletes:
        raise PlanError(f"the plan deletes {count} handlers, at most {max_deletes} are allowed")
    if not force and plan.reached >= _FEW and count > _MAX_SHARE * plan.reached:
        raise PlanError(
            f"the plan deletes {count} of the {plan.reached} handlers that match {plan.prune!r}: "
            f"more than {_MAX_SHARE:.0%}; force=True allows it"
        )


def still_valid(plan: Plan, now: Plan, existing: SeenIds) -> Plan:
    """Return the part of a plan that is still to do.

    If another program already made a change, nothing is left to do for it. A handler that only now
    matches ``prune`` was not in the plan and stays.

    Args:
        plan: the plan to apply.
        now: a plan made just now from the same specs and salt.
        existing: the ids of all existing handlers.

    Raises:
        PlanError: the plan is for another server, or handlers that it touches have changed; the
            error names each.
    """
    if plan.server != now.server:
        raise PlanError(f"the plan is for {plan.server}, and this is {now.server}; plan again")
    stale: dict[str, str] = {}
    changes: list[Change] = []
    after = {change.name: change for change in now.changes if not isinstance(change, Delete)}
    deletes = {change.handler_id: change for change in now.deletes}
    for before in plan.changes:
        if not isinstance(before, Delete):
            current: Change | None = after[before.name]
            fresh = isinstance(current, Unchanged) or before == current
        else:
            current = deletes.get(before.handler_id)
            fresh = current == before or before.handler_id not in existing
        changes.append(current if current is not None and fresh else before)
        if not fresh:
            said, says = _said(before), _said(current)
            differs = f" (planned: {said}, now: {says})" if said != says else ""
            stale[before.name] = f"{before.name!r} changed since the plan was made{differs}"
    if stale:
        raise PlanError(
            f"the plan is stale: {', '.join(map(repr, stale))} changed since; plan again",
            problems=tuple(stale.values()),
        )
    return evolve(now, changes=tuple(changes))


def _said(change: Change | None) -> str:
    """Return what a plan would do to a handler, in a few words."""
    match change:
        case Update():
            return f"update {', '.join(change.fields)}"
        case Unchanged() | None:
            return "keep"
    return type(change).__name__.lower()
