"""Bring the server to a desired state in two steps: make a plan, then apply it."""

from bitpeak_async.provisioning.changes import (
    Change,
    Conflict,
    Create,
    Delete,
    Difference,
    Unchanged,
    Update,
)
from bitpeak_async.provisioning.plan import Plan
from bitpeak_async.provisioning.report import Outcome, Report, Result, partial_report

__all__ = [
    "Change",
    "Conflict",
    "Create",
    "Delete",
    "Difference",
    "Outcome",
    "Plan",
    "Report",
    "Result",
    "Unchanged",
    "Update",
    "partial_report",
]
