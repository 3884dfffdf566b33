"""`python -m bot [--config DIR] [--overlay FILE]...`: the Telegram side of the desk, in a process of its own."""

import asyncio
import logging
import sys
from argparse import ArgumentParser
from pathlib import Path

from bot import app, config, redaction
from bot.poll import TokenRefused

log = logging.getLogger("premia.bot")


def main(arguments: list[str] | None = None) -> int:
    """0 after a clean stop, 2 for a configuration that cannot work, 1 for a fault (systemd starts it again)."""
    parser = ArgumentParser(prog="premia bot", description="The Telegram side of the desk.")
    parser.add_argument("--config", type=Path, default=Path("configs"), help="directory with default.yaml")
    parser.add_argument("--overlay", type=Path, action="append", default=[], help="YAML laid over it; repeatable")
    chosen = parser.parse_args(arguments)
    try:
        settings = config.load(chosen.config, tuple(chosen.overlay))
        token = config.token()
    except config.ConfigFault as error:
        print(error, file=sys.stderr)
        return 2
    redaction.set_up(settings.log_level, (token,))
    code = 0
    try:
        asyncio.run(app.serve(settings, token))
    except* TokenRefused:
        log.error("environment: Telegram refuses the token in %s (401): set the right one", config.TOKEN_NAME)
        code = 2
    return code


if __name__ == "__main__":
    sys.exit(main())
