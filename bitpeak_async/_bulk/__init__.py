"""Many handlers at once: nothing lost, nothing twice, no report that lies.

specs ─▶ ledger ─▶ next action of each entry ─▶ driver ─▶ replies, listings ─▶ ledger ─▶ outcomes
"""
