"""What the door takes of a person's order."""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from engine.control.views import Message

Name = Annotated[str, Field(min_length=1, max_length=200)]


class OrderBody(Message):
    """A person's order; the engine validates. `venue`: a venue or best; sizes in the coin, prices in its quote."""

    template: Literal["sweep", "ioc", "fok", "limit", "ladder", "twap", "vwap", "iceberg", "buckets", "stop"]
    side: Literal["buy", "sell"]
    base: Name
    qty: Decimal = Field(gt=0)
    venue: Name
    price: Decimal | None = Field(default=None, gt=0)
    stop: Decimal | None = Field(default=None, gt=0)
    band_bps: Decimal = Field(default=Decimal(30), ge=0, le=200)
    over_ms: int = Field(default=0, ge=0, le=86_400_000)
    parts: int = Field(default=0, ge=0, le=200)
    reduce_only: bool = False  # of a perpetual
    follow: bool = False  # what rests moves with the touch
    shown: Decimal = Field(default=Decimal(0), ge=0)
    curve: tuple[float, ...] = Field(default=(), max_length=24)  # of a vwap: turnover by hour of the day, UTC


class PreviewBody(Message):
    order: OrderBody
    user_id: int
    chat_id: int
