"""한국어: what each refusal's rule is called (docs/refusals.md), and the names of the numbers that come with it."""

RULES: dict[str, str] = {
    "actor": "허용되지 않은 사용자",
    "role": "권한 부족",
    "bad_parameter": "잘못된 설정값",
    "bad_request": "잘못된 요청",
    "unknown_strategy": "없는 전략",
    "unknown_venue": "없는 거래소",
    "unknown_token": "알 수 없는 버튼",
    "not_yours": "다른 사람의 버튼",
    "not_found": "찾을 수 없음",
    "stale_confirm": "늦은 승인",
    "price_moved": "가격이 움직임",
    "gone": "기회가 끝남",
    "mode": "승인 모드가 아님",
    "nothing_to_undo": "되돌릴 것이 없음",
    "not_halted": "정지 상태가 아님",
    "self_check": "자가 점검 실패",
    "orders_under_way": "끝나지 않은 주문이 있음",
    "stale": "오래된 정보",
    "not_unknown": "확인이 필요한 주문이 아님",
    "not_dead_letter": "사람이 처리할 거래가 아님",
    "no_book": "호가 없음",
    "depth": "호가 깊이 부족",
    "min_notional": "최소 주문금액 미만",
    "no_rate": "환산 시세 없음",
    "no_rules": "거래 규칙을 아직 모름",
}

NUMBERS: dict[str, str] = {
    "late_s": "지연(초)",
    "ttl_s": "유효(초)",
    "net": "순이익",
    "floor": "하한",
    "limit": "한도",
    "age_ms": "나이(ms)",
}
