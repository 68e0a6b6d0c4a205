"""What a seat sees: the venue's published book of a while ago, without its own orders, and its reported account."""

import numpy as np

from lobarena.data.schema import ASK, BID
from lobarena.sim._jit import kernel
from lobarena.sim.bits import next_level
from lobarena.sim.flight import delay, letter, post
from lobarena.sim.matching import ahead, find
from lobarena.sim.shot import side_of
from lobarena.sim.state import FREE, IMAGES, LEAVING, OUT, UPDATE
from lobarena.sim.types import NONE, QUOTE_LEVELS, SEEN_LEVELS


@kernel
def publish(book, venue):
    """Every seat gets an image of the book now, which travels for its feed latency.

    Where the book can be looked at any time, a seat with looks of its own gets none beside them but the first.
    """
    first = venue["image"] == 0
    venue["image"] += 1
    for seat in range(1, venue["seats"] + 1):
        s = venue["seat"][seat]
        if s["state"] != OUT and (first or s["every_ns"] == 0 or venue["live"] == 0):
            send_image(book, venue, seat, UPDATE)


@kernel
def send_image(book, venue, seat, kind):
    """An image of the book for one seat, on its way as an UPDATE or, an occasion to decide, as a WAKE."""
    s = venue["seat"][seat]
    number = np.int64(s["latest"] + 1) % IMAGES
    if s["coming"] == 0:  # begin anew: of thousands of seats, few images stay in the processor's cache
        number = np.int64(0)
    if number == s["seen"]:
        number = (number + 1) % IMAGES
    s["latest"] = number
    s["coming"] += 1
    image = s["images"][number]
    image["time"], image["last"], image["phase"] = venue["now"], venue["last"], venue["phase"]
    image["volume"] = venue["volume"] - venue["start_volume"]
    image["turnover"] = venue["turnover"] - venue["start_turnover"]
    _others(book, venue, seat, BID, image)
    _others(book, venue, seat, ASK, image)
    for row in range(s["rows"]):
        image["ahead"][row], image["turn"][row] = NONE, s["work"][row]["turn"]
        if s["work"][row]["id"] != NONE:
            image["ahead"][row] = ahead(book, s["work"][row]["id"])
    letter(venue)["work"] = number
    s["heard"] = max(s["heard"], venue["now"] + delay(venue, seat, s["feed_ns"]))
    post(venue, s["heard"], kind, seat)


@kernel
def _others(book, venue, seat, side, image):
    """The best levels of a side that the seat's feed shows, without its own lots."""
    prices, sizes = side_of(image, side)
    depth = venue["seat"][seat]["depth"]
    level, base = book["level"], book["base"]
    levels = level.shape[0] // 2
    step = -1 if side == BID else 1
    x = book["best"][side]
    shown = 0
    while shown < depth and 0 <= x < levels:
        queue = level[x if side == BID else levels + x]
        lots = queue["size"]
        if queue["seats"] > 0:
            lots -= _own_lots(book, venue, seat, side, x + base)
        if lots > 0:
            prices[shown], sizes[shown] = x + base, lots
            shown += 1
        x = next_level(book, side, x + step)
    for empty in range(shown, depth):
        prices[empty], sizes[empty] = 0, 0


@kernel
def _own_lots(book, venue, seat, side, price):
    s = venue["seat"][seat]
    lots = 0
    for row in range(s["rows"]):
        work = s["work"][row]
        if work["price"] == price and work["side"] == side and work["id"] != NONE:
            slot = find(book, work["id"])
            if slot != NONE:
                lots += book["orders"][slot]["qty"]
    return lots


@kernel
def look(venues, seat, out):
    """Write what a seat knows now into out[0], an OBSERVATION."""
    look_at(venues[0], seat, out[0])


@kernel
def look_at(venue, seat, o):
    """`look`, from record to record."""
    s = venue["seat"][seat]
    o["time"], o["opens"], o["closes"] = venue["now"], venue["opens"], venue["closes"]
    o["upper"], o["lower"] = venue["upper"], venue["lower"]
    image = s["images"][max(s["seen"], 0)]
    o["published"], o["last"], o["phase"] = image["time"], image["last"], image["phase"]
    o["volume"], o["turnover"] = image["volume"], image["turnover"]
    for level in range(SEEN_LEVELS):
        o["bid"][level], o["bid_size"][level] = image["bid"][level], image["bid_size"][level]
        o["ask"][level], o["ask_size"][level] = image["ask"][level], image["ask_size"][level]
    o["position"], o["position_limit"] = s["known_position"], s["position_limit"]
    o["cash"], o["fees"], o["new_fills"] = s["known_cash"], s["known_fees"], s["new_fills"]
    s["new_fills"] = 0
    _own(s, image, BID, o["own_bid"], o["own_bid_size"], o["own_bid_ahead"])
    _own(s, image, ASK, o["own_ask"], o["own_ask_size"], o["own_ask_ahead"])


@kernel
def glance(venue, seat, o):
    """The part of `look` that needs no search: time, best prices, limits, position. The rest of `o` stays as it was."""
    s = venue["seat"][seat]
    o["time"], o["opens"], o["closes"] = venue["now"], venue["opens"], venue["closes"]
    o["upper"], o["lower"] = venue["upper"], venue["lower"]
    image = s["images"][max(s["seen"], 0)]
    o["published"], o["phase"] = image["time"], image["phase"]
    o["bid"][0], o["bid_size"][0] = image["bid"][0], image["bid_size"][0]
    o["ask"][0], o["ask_size"][0] = image["ask"][0], image["ask_size"][0]
    o["position"], o["position_limit"] = s["known_position"], s["position_limit"]
    s["new_fills"] = 0


@kernel
def _own(s, image, side, prices, sizes, queue):
    """The seat's working orders of a side as it knows them, best first."""
    count = 0
    for row in range(s["rows"]):
        work = s["work"][row]
        if work["state"] == FREE or work["state"] == LEAVING or work["side"] != side or work["left"] <= 0:
            continue
        at = count
        while at > 0 and ((prices[at - 1] < work["price"]) if side == BID else (prices[at - 1] > work["price"])):
            at -= 1
        if at >= QUOTE_LEVELS:
            continue
        last = min(count, QUOTE_LEVELS - 1)
        for move in range(last, at, -1):
            prices[move], sizes[move], queue[move] = prices[move - 1], sizes[move - 1], queue[move - 1]
        prices[at], sizes[at] = work["price"], work["left"]
        queue[at] = image["ahead"][row] if image["turn"][row] == work["turn"] else NONE
        count = last + 1
    for empty in range(count, QUOTE_LEVELS):
        prices[empty], sizes[empty], queue[empty] = 0, 0, NONE
