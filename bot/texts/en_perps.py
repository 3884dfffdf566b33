# ruff: noqa: E501 - one message, one line
"""English of perpetuals: positions, margin, hedges."""

TEXTS: dict[str, str] = {
    "perps.title": "<b>{count} perpetuals open</b> · {worth}",
    "perps.long": "🟢 <b>{venue} {symbol}</b> long {qty} {base} ≈ {worth}",
    "perps.short": "🔴 <b>{venue} {symbol}</b> short {qty} {base} ≈ {worth}",
    "perps.flat": "⚪ <b>{venue} {symbol}</b> nothing in our books",
    "perps.prices": "  entry {entry} · mark {mark} · result <b>{result}</b> ({krw})",
    "perps.margin": "  margin in use {usage} · leverage {leverage}× · funding so far {funding}",
    "perps.liquidation": "  liquidation at {price} ({off} away)",
    "perps.no_liquidation": "  no liquidation price",
    "perps.hedge_of": "  🛡 hedge of trade <code>{id}</code>",
    "perps.difference": "  ⚠️ the venue says {qty} {base} more than our books",
    "perps.full": "  ⚠️ more than half of the equity is needed as margin: close a part, or add USDT",
    "perps.ask_hedge": "Close the hedge of trade <code>{id}</code> together with what it stands against? Both are sent at once at the price of now, the perpetual reduce-only.",
    "perps.ask_position": "Close <b>{venue} {symbol}</b> ({qty}) at the price of now, reduce-only?",
    "perps.closing": "🛡 Being closed: {text}. The result comes as a receipt; /positions shows what is left.",
    "own.reduces": "Reduce-only: it can only make a position smaller",
    "own.margin": "A perpetual: about {krw} of margin is kept aside",
    "button.close_hedge": "🛡 Close hedge {symbol}…",
    "button.close_position": "✖ Close {symbol}…",
    "button.close_now": "✅ Close now",
    "receipt.hedged": "🛡 <b>{coin}</b> {strategy}: hedged on a perpetual",
    "receipt.hedge_buy": "🛡 {venue} long {filled} {base} @ {price} · fees {fees}",
    "receipt.hedge_sell": "🛡 {venue} short {filled} {base} @ {price} · fees {fees}",
    "receipt.hedge_back": "   ↩ {qty} {base} of the hedge closed again",
    "strategy.flatten": "position closed",
}
