# ruff: noqa: E501 - one message, one line
"""Korean of perpetuals: positions, margin, hedges."""

TEXTS: dict[str, str] = {
    "perps.title": "<b>무기한 선물 {count}건 보유</b> · {worth}",
    "perps.long": "🟢 <b>{venue} {symbol}</b> 롱 {qty} {base} ≈ {worth}",
    "perps.short": "🔴 <b>{venue} {symbol}</b> 숏 {qty} {base} ≈ {worth}",
    "perps.flat": "⚪ <b>{venue} {symbol}</b> 장부에는 포지션 없음",
    "perps.prices": "  진입 {entry} · 마크 {mark} · 평가손익 <b>{result}</b> ({krw})",
    "perps.margin": "  증거금 사용률 {usage} · 레버리지 {leverage}배 · 누적 펀딩 {funding}",
    "perps.liquidation": "  청산가 {price} ({off} 거리)",
    "perps.no_liquidation": "  청산가 없음",
    "perps.hedge_of": "  🛡 거래 <code>{id}</code> 의 헤지",
    "perps.difference": "  ⚠️ 거래소 포지션이 장부보다 {qty} {base} 많습니다",
    "perps.full": "  ⚠️ 자산의 절반 이상이 증거금으로 묶였습니다: 일부를 정리하거나 USDT 를 넣으세요",
    "perps.ask_hedge": "거래 <code>{id}</code> 의 헤지를 반대편 물량과 함께 정리할까요? 두 주문을 지금 가격으로 동시에 보내며 선물은 포지션 축소 주문입니다.",
    "perps.ask_position": "<b>{venue} {symbol}</b> ({qty}) 을 지금 가격의 포지션 축소 주문으로 정리할까요?",
    "perps.closing": "🛡 정리 중: {text}. 결과는 체결 내역으로 오고, 남은 것은 /positions 에서 볼 수 있습니다.",
    "own.reduces": "포지션 축소 전용: 포지션을 줄이기만 합니다",
    "own.margin": "무기한 선물: 증거금 약 {krw} 이(가) 묶입니다",
    "button.close_hedge": "🛡 {symbol} 헤지 정리…",
    "button.close_position": "✖ {symbol} 정리…",
    "button.close_now": "✅ 지금 정리",
    "receipt.hedged": "🛡 <b>{coin}</b> {strategy}: 무기한 선물로 헤지됨",
    "receipt.hedge_buy": "🛡 {venue} 롱 {filled} {base} @ {price} · 수수료 {fees}",
    "receipt.hedge_sell": "🛡 {venue} 숏 {filled} {base} @ {price} · 수수료 {fees}",
    "receipt.hedge_back": "   ↩ 헤지 중 {qty} {base} 정리됨",
    "strategy.flatten": "포지션 정리",
}
