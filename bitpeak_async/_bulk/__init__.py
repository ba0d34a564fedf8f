"""Creates many handlers with nothing lost and nothing created twice.

specs ─▶ workers ─▶ create ─▶ outcome, or an unresolved create ─▶ listing ─▶ adopt or resend
"""
