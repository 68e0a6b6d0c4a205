"""A seat's account: every fill changes position, cash and fees, and nothing else does."""

from lobarena.sim._jit import kernel


@kernel
def settle(venue, seat, lots, price):
    """Book a fill (lots > 0 bought, < 0 sold; price in ticks): the fee in currency.

    What reduces the position closes, lots carried from the day before first; the rest opens.
    """
    account = venue["seat"][seat]
    position, size = account["position"], abs(lots)
    closing = min(size, abs(position)) if position * lots < 0 else 0
    old = min(closing, abs(account["held"])) if account["held"] * lots < 0 else 0
    if lots > 0:
        account["held"] += old
    else:
        account["held"] -= old
    unit = price * venue["tick_value"] if venue["by_turnover"] == 1 else 1.0
    fee = unit * (
        (size - closing) * venue["fee_open"] + old * venue["fee_close"] + (closing - old) * venue["fee_today"]
    )
    account["position"] += lots
    account["cash"] -= price * lots
    account["fees"] += fee
    return fee


@kernel
def equity(venue, seat):
    """Currency: capital and everything won or lost so far, the position marked at the crowd's mid."""
    account = venue["seat"][seat]
    half_ticks = 2 * account["cash"] + account["position"] * venue["mid2"]
    return account["capital"] + half_ticks * venue["tick_value"] / 2 - account["fees"]


@kernel
def margin_of(venue, lots):
    """Currency that the venue asks for a position of `lots`."""
    return abs(lots) * venue["mid2"] / 2 * venue["tick_value"] * venue["margin"]
