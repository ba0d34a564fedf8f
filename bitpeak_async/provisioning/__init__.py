"""Desired handlers → the server's state, in two steps: a plan to read, then its application."""

from bitpeak_async.provisioning.apply import Outcome, ProvisionCancelledError, Report, Result
from bitpeak_async.provisioning.plan import Change, Conflict, Create, Plan, Unchanged, Update

__all__ = [
    "Change",
    "Conflict",
    "Create",
    "Outcome",
    "Plan",
    "ProvisionCancelledError",
    "Report",
    "Result",
    "Unchanged",
    "Update",
]
