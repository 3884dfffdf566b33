"""What can go wrong, named by what the caller does next (style.md §7)."""


class PremiaError(Exception):
    """Root of every error that this product raises on purpose."""


class VenueUnavailable(PremiaError):
    """Network, 5xx or maintenance: reconnect with backoff. Nothing was accepted."""


class RateLimited(VenueUnavailable):
    """429 or 418: nothing was accepted; wait `retry_after_s` before the next call."""

    def __init__(self, text: str, retry_after_s: float) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class VenueRefused(PremiaError):
    """The venue understood and said no: record it, never repeat it unchanged."""

    def __init__(self, code: str, text: str, *, about_rules: bool = False) -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text
        self.about_rules = about_rules  # it names tick, lot or minimum: ours are not the venue's any more


class SendStopped(PremiaError):
    """The desk was halted while a request waited for its connection: no byte of it left."""


class OrderNotFound(PremiaError):
    """A look-up by client id found nothing: one piece of evidence, never a proof by itself."""


class OutcomeUnknown(PremiaError):
    """A request was sent and no answer came: look it up by client id, never send again first."""


class NoHistory(PremiaError):
    """What an order needs of the past is not known, or not yet: it is refused by `rule`."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule
        self.text = text


class BadFrame(PremiaError):
    """A frame that cannot be decoded: drop the book, resync, count."""


class SequenceGap(PremiaError):
    """An update was missed: drop the book, resync, count."""


class ConfigError(PremiaError):
    """Before start: one line naming file and key, exit 2."""


class JournalFailed(PremiaError):
    """The journal could not be written: what was to be journaled must not be done. Trading halts."""


class StoreUnavailable(PremiaError):
    """The SQL store cannot be read or written now: history waits, trading does not depend on it."""


class InvariantBroken(PremiaError):
    """Our own mistake: stop trading and crash loudly."""
