"""Public calls from one address: 20 per 2 s and endpoint. Source: OKX API v5; R021 (books alone would have 40)."""

from engine.net.limits import Kind, Limits, Rule

LIMITS = Limits(
    host="okx",
    rules=(Rule(name="endpoint", kind=Kind.ENDPOINT, most=20, window_s=2.0),),
    retry_s=2.0,
)
