"""Keeps every task of a key within the server's limit: one pause for all, a learnt rate.

refusals and answers ─▶ RateController ─▶ when the next may start ─▶ Limiter ─▶ waiting tasks
"""
