"""Keep every task of a key within the server's limit: one pause for all, a learnt rate.

replies ─▶ law: state + report → state + grant ─▶ Lease ─▶ Limiter ─▶ waiting tasks
"""
