"""How far a venue's private stream of orders can be relied on: it hurries us up, it is never the only source."""

from msgspec import Struct

from engine.domain.money import NS_PER_S

_RENEW_REST_NS = 60 * NS_PER_S


class Hearing(Struct, kw_only=True):
    """Written by the core alone."""

    is_up: bool = False
    is_deaf: bool = False  # it kept silent on an order of ours, and has not spoken since
    ups: int = 0  # times that it came to stand
    renewed_ns: int = 0

    @property
    def is_trusted(self) -> bool:
        """Look-ups may take their time."""
        return self.is_up and not self.is_deaf

    def missed(self, now_ns: int) -> bool:
        """A look-up found what the stream never told. True when a new connection is worth a try."""
        self.is_deaf = True
        if self.renewed_ns and now_ns - self.renewed_ns < _RENEW_REST_NS:
            return False
        self.renewed_ns = now_ns
        return True
