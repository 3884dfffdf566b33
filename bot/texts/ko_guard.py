# ruff: noqa: E501 - one message, one line
"""Korean: the watchdog, dead letters settled by hand, and limits."""

TEXTS: dict[str, str] = {
    "watchdog.acting": "🐕 <b>엔진이 {seconds}초 동안 응답하지 않습니다.</b>\n감시견이 거래를 정지하고(L{level}) 모든 거래소에서 우리 미체결 주문을 취소하고 있습니다.",
    "watchdog.clean": "🐕 <b>어느 거래소에도 우리 미체결 주문이 없습니다.</b>\n감시견이 취소한 주문 {cancelled}건. 엔진은 아직 응답이 없고 거래는 정지 상태입니다(L{level}).",
    "watchdog.trouble": "🆘 <b>미체결 주문이 없다는 것을 감시견이 확인하지 못했습니다.</b>\n계속 시도합니다. 거래소에서 직접 확인해 주세요.",
    "watchdog.back": "🐕 <b>엔진이 돌아왔습니다.</b> L{level} 정지 상태입니다. 그동안 취소한 주문 {cancelled}건.\n재개: /resume",
    "watchdog.venue": "  {venue} · 미체결 {open}건 · <i>{error}</i>",
    "watchdog.problem": "  <i>{text}</i>",
}
