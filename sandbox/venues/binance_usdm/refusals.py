"""How Binance futures says no: codes and texts. Source: Binance USD-M Futures API, Error Code."""

from sandbox.venues.auth import Why
from sandbox.venues.door import Malformed
from sandbox.venues.orders import Reason, Refused

No = tuple[int, str]

REASONS: dict[Reason, No] = {
    Reason.UNKNOWN_MARKET: (-1121, "Invalid symbol."),
    Reason.BAD_TICK: (-4014, "Price not increased by tick size."),
    Reason.BAD_LOT: (-1111, "Precision is over the maximum defined for this asset."),
    Reason.BELOW_MIN_QTY: (-4004, "Quantity less than min quantity."),
    Reason.BELOW_MIN_NOTIONAL: (-4164, "Order's notional must be no smaller than 5 (unless you choose reduce only)."),
    Reason.ABOVE_MAX_NOTIONAL: (-2027, "Exceeded the maximum allowable position at current leverage."),
    Reason.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
    Reason.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Reason.WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history.",
    ),
    Reason.WOULD_TRIGGER: (-2021, "Order would immediately trigger."),
    Reason.NO_LIQUIDITY: (-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit."),
    Reason.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Reason.ALREADY_CLOSED: (-2011, "Unknown order sent."),
    Reason.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Reason.BAD_LEVERAGE: (-4028, "Leverage is not valid."),
    Reason.ON_REQUEST: (-2010, "Order rejected."),
}
DENIALS: dict[Why, tuple[int, int, str]] = {
    Why.NO_KEY: (401, -2014, "API-key format invalid."),
    Why.UNKNOWN_KEY: (401, -2015, "Invalid API-key, IP, or permissions for action."),
    Why.BAD_SIGNATURE: (400, -1022, "Signature for this request is not valid."),
    Why.EXPIRED: (400, -1021, "Timestamp for this request is outside of the recvWindow."),
    Why.AHEAD: (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time."),
}
_BY_CODE = {
    -1125: "This listenKey does not exist.",
    -2028: "Leverage is smaller than permitted: insufficient margin balance.",
    -4046: "No need to change margin type.",
    -4059: "No need to change position side.",
    -4061: "Order's position side does not match user's setting.",
    -4067: "Position side cannot be changed if there exists open orders.",
    -4068: "Position side cannot be changed if there exists position.",
    -4120: "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
    -4168: "Unable to adjust to isolated-margin mode under the Multi-Assets mode.",
    -5027: "No need to modify the order.",
}


def no_of(error: Refused) -> No:
    """The test's own code, where it asked for one."""
    code, text = REASONS[error.reason]
    if error.code.lstrip("-").isdigit():
        code = int(error.code)
        text = _BY_CODE.get(code, text)
    return code, text


def refusal(code: int) -> Refused:
    """One that no other venue knows."""
    return Refused(Reason.ON_REQUEST, _BY_CODE[code], code=str(code))


def malformed_of(error: Malformed) -> No:
    name = error.parameter
    if name == "symbol":
        return -1121, "Invalid symbol."
    if error.detail == "illegal":
        return -4015, "Client order id is not valid."
    if error.detail == "not required":
        return -1106, f"Parameter '{name}' sent when not required."
    known = {
        "type": (-1116, "Invalid orderType."),
        "side": (-1117, "Invalid side."),
        "timeInForce": (-1115, "Invalid timeInForce."),
        "limit": (-4021, "Invalid depth limit."),
        "leverage": (-4028, "Leverage is not valid."),
        "marginType": (-4049, "Margin type is invalid."),
    }
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return known.get(name, (-1102, text))
