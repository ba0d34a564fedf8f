"""Turn a call into one typed result or one typed error.

Call ── protocol ─▶ Request ── transport (attempts, retry) ─▶ Exchange ─▶ Reply
Reply ── replies ─▶ JSON text or APIError ── decode ─▶ record or ReplyError
"""
