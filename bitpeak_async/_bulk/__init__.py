"""Create and update many handlers: nothing lost, nothing twice, reports that are true.

specs ─▶ ledger ─▶ next action of each entry ─▶ driver ─▶ replies, listings ─▶ ledger ─▶ outcomes
"""
