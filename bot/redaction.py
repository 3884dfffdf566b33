"""No log line carries a secret: the token stands in the path of every Telegram URL, and errors quote URLs."""

import logging
import sys
from collections.abc import Sequence
from urllib.parse import quote


class RedactingFormatter(logging.Formatter):
    """Formats as usual, traceback included, then blanks every secret wherever it came from."""

    def __init__(self, secrets: Sequence[str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        tails = [secret.partition(":")[2] for secret in secrets]
        forms = {form for secret in (*secrets, *tails) if secret for form in (secret, quote(secret, safe=""))}
        self._forms = sorted(forms, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for form in self._forms:
            line = line.replace(form, "***")
        return line


def set_up(level: str, secrets: Sequence[str]) -> None:
    """One handler for the whole process, on stderr: every library's lines pass the same formatter."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(RedactingFormatter(secrets))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.getLogger("aiogram.event").setLevel(logging.WARNING)
    logging.getLogger("apscheduler").setLevel(logging.WARNING)
