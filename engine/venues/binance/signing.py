"""Binance's signatures: HMAC-SHA256 or Ed25519 over the percent-encoded parameters. Source: binance-spot-api-docs.

The REST query is signed in its own order, a WebSocket request by the alphabet of its names.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterable
from urllib.parse import quote, urlencode

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.domain.errors import ConfigError
from engine.venues.mac import Mac

Sign = Callable[[bytes], str]

_PLAIN = re.compile(r"[A-Za-z0-9_.\-=&]*")


def query_text(pairs: Iterable[tuple[str, object]]) -> str:
    """`k=v&k=v`, percent-encoded where that is needed: what an order holds seldom needs it."""
    pairs = tuple(pairs)
    text = "&".join([f"{key}={value}" for key, value in pairs])
    is_plain = _PLAIN.fullmatch(text) is not None and text.count("=") == len(pairs) == text.count("&") + 1
    return text if is_plain else urlencode(pairs, quote_via=quote)


def signer(secret: str) -> Sign:
    """How this secret signs: an Ed25519 key in PEM gives base64, any other text is an HMAC's and gives hexadecimal.

    Raises ConfigError for a key of another kind.
    """
    if "PRIVATE KEY" not in secret:
        mac = Mac(secret.encode(), "sha256")
        return lambda text: mac.sign(text).hex()
    try:
        private = load_pem_private_key(secret.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"binance: the secret is no usable private key: {type(error).__name__}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise ConfigError("binance: of private keys only Ed25519 is spoken on the native order path")
    return lambda text: b64encode(private.sign(text)).decode()
