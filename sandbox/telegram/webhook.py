"""Posting updates to a bot's webhook, one at a time and in order, until each is answered with 2xx."""

import aiohttp
import msgspec

from sandbox.telegram.bot_state import BotState, Webhook
from sandbox.telegram.settings import NS_PER_S
from sandbox.telegram.updates import QueuedUpdate

RETRY_S = 1
ANSWER_S = 30
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"


async def deliver(bot: BotState, session: aiohttp.ClientSession) -> None:
    """Runs for as long as the server does; sleeps while there is no webhook or nothing to say."""

    def has_work() -> bool:
        return bool(bot.webhook.url) and bot.queue.pending(bot.clock.monotonic_ns()) > 0

    while True:
        await bot.changes.once(has_work)
        hook = bot.webhook
        update = bot.queue.read(0, 1, bot.clock.monotonic_ns())[0]
        hook.last_error = await _post(session, hook, update)
        if hook.last_error:
            hook.last_error_date = bot.clock.wall_ns() // NS_PER_S
            await bot.clock.sleep(RETRY_S)
        else:
            bot.queue.read(update.update_id + 1, 1, bot.clock.monotonic_ns())


async def _post(session: aiohttp.ClientSession, hook: Webhook, update: QueuedUpdate) -> str:
    """What went wrong, in Telegram's words; empty when the update was taken."""
    headers = {"Content-Type": "application/json"}
    if hook.secret_token:
        headers[SECRET_HEADER] = hook.secret_token
    limit = aiohttp.ClientTimeout(total=ANSWER_S)
    try:
        async with session.post(
            hook.url, data=msgspec.json.encode(update.as_wire()), headers=headers, timeout=limit
        ) as answer:
            if 200 <= answer.status < 300:
                return ""
            return f"Wrong response from the webhook: {answer.status} {answer.reason}"
    except aiohttp.ClientError as error:
        return f"Connection failed: {type(error).__name__}"
    except TimeoutError:
        return "Read timeout expired"
