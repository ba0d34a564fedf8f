"""Create and update many handlers: no handler is lost or duplicated, and reports are true.

specs ─▶ ledger ─▶ next action of each entry ─▶ driver ─▶ replies, listings ─▶ ledger ─▶ outcomes
"""
