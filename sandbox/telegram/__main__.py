"""`python -m sandbox.telegram [--host H] [--port P] [--token T] [--user ID:NAME:LANGUAGE ...]`: the server alone."""

import argparse
import asyncio

from sandbox.telegram.server import BotApiServer
from sandbox.telegram.settings import BotIdentity, Person, Settings


def _person(text: str) -> Person:
    number, name, language = text.split(":")
    return Person(id=int(number), first_name=name, language_code=language, started=False)


async def _serve(settings: Settings, host: str, port: int) -> None:
    server = BotApiServer(settings)
    base_url = await server.start(host, port)
    print(f"Bot API  {base_url}\nphone    {base_url}/phone", flush=True)
    try:
        await asyncio.Event().wait()
    finally:
        await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.telegram", description="A local Telegram Bot API server.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--token", default="700700:local-token")
    parser.add_argument("--user", type=_person, action="append", metavar="ID:NAME:LANGUAGE")
    options = parser.parse_args()
    people = options.user or [Person(id=10_001, first_name="민준", language_code="ko", started=False)]
    settings = Settings(bots=(BotIdentity(token=options.token),), people=tuple(people))
    try:
        asyncio.run(_serve(settings, options.host, options.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
