"""What a TLS connection trusts: one list of authorities for the whole process."""

import ssl
from functools import cache
from urllib.parse import urlsplit

import certifi


@cache
def trusted() -> ssl.SSLContext:
    """To read the list takes 40 to 150 ms of CPU: ten clients with a context each were a second of every start."""
    return ssl.create_default_context(cafile=certifi.where())


def tls_for(url: str) -> ssl.SSLContext | None:
    """None for addresses without TLS."""
    return trusted() if urlsplit(url).scheme in ("https", "wss") else None
