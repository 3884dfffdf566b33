"""One limiter per host for every public call of ours: feeds, catalogues, polls. And one budget of new connections."""

from collections.abc import Callable, Mapping

from engine.net.limits import Limiter, Limits
from engine.net.ratelimit import TokenBucket
from engine.venues.binance.limits import LIMITS as BINANCE
from engine.venues.binance_usdm.limits import LIMITS as BINANCE_USDM
from engine.venues.bitget.limits import LIMITS as BITGET
from engine.venues.bithumb.limits import LIMITS as BITHUMB
from engine.venues.bybit.limits import LIMITS as BYBIT
from engine.venues.coinone.limits import LIMITS as COINONE
from engine.venues.gate.limits import LIMITS as GATE
from engine.venues.kucoin.limits import LIMITS as KUCOIN
from engine.venues.okx.limits import LIMITS as OKX
from engine.venues.upbit.limits import LIMITS as UPBIT

_BY_HOST: Mapping[str, Limits] = {
    limits.host: limits for limits in (BINANCE, BINANCE_USDM, BITGET, BITHUMB, BYBIT, COINONE, GATE, KUCOIN, OKX, UPBIT)
}
# Products of one host that are venues of their own here.
_HOST = {
    "bitget_futures": "bitget",
    "bybit_linear": "bybit",
    "gate_futures": "gate",
    "kucoin_futures": "kucoin",
    "okx_swap": "okx",
}


class Limiters:
    """Made once per process and handed to whoever calls a venue; what is not shared is counted twice at the venue."""

    def __init__(self, clock_ns: Callable[[], int], on_near: Callable[[str, str, float], None] | None = None) -> None:
        self._clock_ns = clock_ns
        self._on_near = on_near
        self._limiters: dict[str, Limiter] = {}
        self._hosts: dict[str, str] = {}
        self._connects: dict[str, TokenBucket] = {}

    def of(self, venue: str, limits: Limits | None = None) -> Limiter:
        """The limiter of a venue's public calls. `limits` are those of a venue that is not in the table above; one that
        nobody knows limits of is not limited."""
        host = self._hosts.setdefault(venue, limits.host if limits else _HOST.get(venue, venue))
        if host not in self._limiters:
            limits = limits or _BY_HOST.get(host) or Limits(host=host, rules=())
            self._limiters[host] = Limiter(limits, self._clock_ns, self._on_near)
        return self._limiters[host]

    def connects(self, venue: str, per_second: float) -> TokenBucket:
        """New connections, one after the other."""
        host = self._hosts.get(venue, _HOST.get(venue, venue))
        if host not in self._connects:
            self._connects[host] = TokenBucket(per_second, 1, self._clock_ns)
        return self._connects[host]

    def used(self) -> Mapping[str, Mapping[str, float]]:
        """By host and rule: the share that is used now."""
        return {host: limiter.used_share() for host, limiter in self._limiters.items()}
