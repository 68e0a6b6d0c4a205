"""A seat's account: every fill changes position, cash and fees, and nothing else does."""

from lobarena.sim._jit import kernel


@kernel
def settle(venue, seat, lots, price):
    """Book a fill (lots > 0 bought, < 0 sold; price in ticks): the fee in currency.

    What reduces the position closes, lots carried from the day before first; the rest opens.
    """
    v = venue[0]
    account = v["seat"][seat]
    position, size = account["position"], abs(lots)
    closing = min(size, abs(position)) if position * lots < 0 else 0
    old = min(closing, abs(account["held"])) if account["held"] * lots < 0 else 0
    if lots > 0:
        account["held"] += old
    else:
        account["held"] -= old
    unit = price * v["tick_value"] if v["by_turnover"] == 1 else 1.0
    fee = unit * ((size - closing) * v["fee_open"] + old * v["fee_close"] + (closing - old) * v["fee_today"])
    account["position"] += lots
    account["cash"] -= price * lots
    account["fees"] += fee
    return fee


@kernel
def equity(venue, seat):
    """Currency: capital and everything won or lost so far, the position marked at the crowd's mid."""
    v = venue[0]
    account = v["seat"][seat]
    half_ticks = 2 * account["cash"] + account["position"] * v["mid2"]
    return account["capital"] + half_ticks * v["tick_value"] / 2 - account["fees"]


@kernel
def margin_of(venue, lots):
    """Currency that the venue asks for a position of `lots`."""
    v = venue[0]
    return abs(lots) * v["mid2"] / 2 * v["tick_value"] * v["margin"]
