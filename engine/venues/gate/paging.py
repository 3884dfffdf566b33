"""Lists of Gate's futures, page by page, newest first."""

from typing import Any, TypeVar

from engine.venues.ccxt_orders import CcxtClient
from engine.venues.purse import Purpose

T = TypeVar("T")

FUTURES = "futures/usdt"
FINISHED_PAGES = 3
_PAGE = 100
MOST_PAGES = 100  # of anything else: the venue's offsets end there


async def pages(
    client: CcxtClient, path: str, asked: dict[str, Any], purpose: Purpose, row: type[T], most: int = MOST_PAGES
) -> list[T]:
    rows: list[T] = []
    shape: type[list[T]] = list[row]  # type: ignore[valid-type]
    path = f"{FUTURES}/{path}"
    for page in range(most):
        params = {**asked, "limit": _PAGE, "offset": page * _PAGE}
        if purpose is Purpose.LOOK_UP:
            found = await client.ended(path, params, shape)
        else:
            found = await client.ask(purpose, "GET", path, params, shape)
        rows += found
        if len(found) < _PAGE:
            return rows
    return rows
