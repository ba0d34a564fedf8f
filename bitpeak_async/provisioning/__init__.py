"""Desired handlers → the server's state, in two steps: a plan to read, then its application."""

from bitpeak_async.provisioning.apply import Outcome, Report, Result, partial_report
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
