"""KuCoin's coins with their chains, as /api/v3/currencies shows them."""

from typing import Any

from sandbox.venues.wallets import Wallets

_CHAINS = {"BTC": ("BTC",), "ETH": ("ERC20", "ARBITRUM"), "XRP": ("XRP",), "USDT": ("TRC20", "ERC20")}


def currency_rows(wallets: Wallets) -> list[dict[str, Any]]:
    return [
        {
            "currency": coin,
            "name": coin,
            "fullName": coin,
            "precision": 8,
            "isMarginEnabled": False,
            "isDebitEnabled": False,
            "chains": [_chain(wallets, coin, name) for name in names],
        }
        for coin, names in _CHAINS.items()
    ]


def _chain(wallets: Wallets, coin: str, name: str) -> dict[str, Any]:
    gates = wallets.of(coin, name)
    return {
        "chainName": name,
        "chainId": name.lower(),
        "withdrawalMinSize": "0.001",
        "depositMinSize": "0.0002",
        "withdrawalMinFee": "0.0005",
        "withdrawFeeRate": "0",
        "isWithdrawEnabled": gates.withdrawals,
        "isDepositEnabled": gates.deposits,
        "confirms": 3,
        "preConfirms": 1,
        "contractAddress": "",
        "withdrawPrecision": 8,
    }
