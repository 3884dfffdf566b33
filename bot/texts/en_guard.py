# ruff: noqa: E501 - one message, one line
"""English: the watchdog, dead letters settled by hand, and limits."""

TEXTS: dict[str, str] = {
    "watchdog.acting": "🐕 <b>The engine has given no sign of life for {seconds} s.</b>\nThe watchdog has stopped the desk (L{level}) and is cancelling our open orders at every venue.",
    "watchdog.clean": "🐕 <b>Nothing of ours rests at any venue.</b>\nCancelled by the watchdog: {cancelled}. The engine is still silent and the desk stays stopped (L{level}).",
    "watchdog.trouble": "🆘 <b>The watchdog cannot prove that nothing of ours rests.</b>\nIt goes on trying. Please look at the venue itself.",
    "watchdog.back": "🐕 <b>The engine is back</b>, stopped at L{level}. Cancelled meanwhile: {cancelled}.\nBack on: /resume",
    "watchdog.venue": "  {venue} · still open {open} · <i>{error}</i>",
    "watchdog.problem": "  <i>{text}</i>",
}
