"""Many accounts in one process: each key has its own pace, and all share one request limit.

accounts ─▶ resolver ─▶ client pool ─▶ network (one session, a fair limiter) ─▶ tally ─▶ report
"""

from bitpeak_async.fleet.account import Account
from bitpeak_async.fleet.accounts_file import read_accounts
from bitpeak_async.fleet.fleet import Fleet
from bitpeak_async.fleet.keys import EnvironmentKey, FileKey, KeySource, LiteralKey
from bitpeak_async.fleet.report import (
    AccountReport,
    FleetPlan,
    FleetReport,
    partial_fleet_report,
)

__all__ = [
    "Account",
    "AccountReport",
    "EnvironmentKey",
    "FileKey",
    "Fleet",
    "FleetPlan",
    "FleetReport",
    "KeySource",
    "LiteralKey",
    "partial_fleet_report",
    "read_accounts",
]
