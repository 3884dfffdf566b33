"""What a venue charges for a coin that somebody borrows to sell it."""

from decimal import Decimal


class Loans:
    """Of one venue: fractions of the loan per hour. Coins that are not named cannot be borrowed."""

    def __init__(self) -> None:
        self.hourly = {
            "USDT": Decimal("0.00000460"),
            "BTC": Decimal("0.00000140"),
            "ETH": Decimal("0.00000185"),
            "XRP": Decimal("0.00000290"),
        }

    def daily(self, asset: str) -> Decimal:
        """Raises KeyError for a coin that is not lent."""
        return self.hourly[asset] * 24
