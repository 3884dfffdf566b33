"""How a request can end without an answer that counts."""


class NotSent(Exception):
    """The connection was never made: no byte left."""


class NoVerdict(Exception):
    """Bytes may have left and no usable answer came."""
