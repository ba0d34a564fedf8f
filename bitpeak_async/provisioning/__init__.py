"""Desired handlers → the server's state, in two steps: a plan to read, then its application."""

from bitpeak_async.provisioning.apply import Outcome, ProvisionCancelledError, Report, Result
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
    "ProvisionCancelledError",
    "Report",
    "Result",
    "Unchanged",
    "Update",
]
