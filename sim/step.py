"""One step of a batch of environments: actions in, every market on to its learners' next looks, observations out."""

import numpy as np

from lobarena.data.schema import BID, EVENT, SNAPSHOT
from lobarena.sim._jit import free, kernel
from lobarena.sim.actions import WIDTH, act
from lobarena.sim.blocks import ROW
from lobarena.sim.case import (
    cases_at,
    deck_at,
    events_at,
    features_at,
    flags_at,
    history_at,
    ids_at,
    layout_at,
    learners_at,
    minds_at,
    numbers_at,
    snapshots_at,
    times_at,
)
from lobarena.sim.desk import reply
from lobarena.sim.features import notice, observe
from lobarena.sim.minds import MIND, drive
from lobarena.sim.observe import look_at
from lobarena.sim.place import book_at, fetch, large_book_at, large_venue_at, venue_at
from lobarena.sim.prefetch import MANY, fetch_levels, fetch_orders, fetch_venue, hot
from lobarena.sim.rewards import PARTS, judge
from lobarena.sim.state import ASKED, DRAIN, FINISHED, OUT, venue_type
from lobarena.sim.types import LARGE, LIQUIDATION, MAX_SEATS, SMALL, book_type

_BOOK, _VENUE = book_type(*SMALL).itemsize, venue_type(SMALL[0]).itemsize  # bytes
_LARGE_BOOK, _LARGE_VENUE = book_type(*LARGE).itemsize, venue_type(LARGE[0]).itemsize
_HOT, _LARGE_HOT = hot(venue_type(SMALL[0])), hot(venue_type(LARGE[0]))
_TAIL = 56  # bytes of a book's last fields, from `best` on
_MINDS = MIND.itemsize * (MAX_SEATS + 1)  # bytes of an environment
_EVENT, _SNAPSHOT = EVENT.itemsize, SNAPSHOT.itemsize
_PARTS, _ROW = len(PARTS), len(ROW)


@free
def step_small(books, venues, decks, first, last):
    """Advance environments `first` to `last` - 1: `last`, or the environment that waits for Python to say something.

    books, venues, decks : addresses of the books (of the size SMALL), the venues and one DECK. An environment waits
    when a seat that is decided in Python must decide (its case's `asked`), or when an action means nothing (`fault`;
    nothing of it has happened).
    """
    deck = deck_at(np.uint64(decks))
    many = last - first >= MANY
    for i in range(first, last):
        if many and i + 3 < last:
            fetch_venue(_place(venues, _VENUE * (i + 3)), _HOT)
            fetch(_place(books, _BOOK * (i + 4) - _TAIL))
            near, nearer = _place(books, _BOOK * (i + 2)), _place(books, _BOOK * (i + 1))
            fetch_levels(near, book_at(near))
            fetch_orders(nearer, book_at(nearer))
        book, venue = book_at(_place(books, _BOOK * i)), venue_at(_place(venues, _VENUE * i))
        if not _turn(book, venue, deck, i):
            return i
    return last


@free
def step_large(books, venues, decks, first, last):
    """`step_small` of books of the size LARGE."""
    deck = deck_at(np.uint64(decks))
    many = last - first >= MANY
    for i in range(first, last):
        if many and i + 3 < last:
            fetch_venue(_place(venues, _LARGE_VENUE * (i + 3)), _LARGE_HOT)
            fetch(_place(books, _LARGE_BOOK * (i + 4) - _TAIL))
            near, nearer = _place(books, _LARGE_BOOK * (i + 2)), _place(books, _LARGE_BOOK * (i + 1))
            fetch_levels(near, large_book_at(near))
            fetch_orders(nearer, large_book_at(nearer))
        book, venue = large_book_at(_place(books, _LARGE_BOOK * i)), large_venue_at(_place(venues, _LARGE_VENUE * i))
        if not _turn(book, venue, deck, i):
            return i
    return last


@kernel
def _turn(book, venue, deck, i):
    case = cases_at(deck["cases"])["row"][i]
    if case["over"] == 1:
        return True
    return (case["begun"] == 1 or _begin(venue, case, deck, i)) and _advance(book, venue, case, deck, i)


@kernel
def _begin(venue, case, deck, i):
    """Take the actions of a step; False when one means nothing."""
    k = deck["k"]
    learners = learners_at(deck["learners"])["row"]
    for j in range(i * k, (i + 1) * k):
        learner = learners[j]
        learner["spread"], learner["closed"], learner["closing_fees"], learner["lots"] = 0, 0, 0.0, 0
    venue["fills"] = venue["curves"] = venue["marks"] = 0
    if case["fresh"] == 0:
        for j in range(k):  # all are understood before the first one's leaves
            learner, s = learners[i * k + j], venue["seat"][np.int64(case["seats"][j])]
            if learner["over"] == 1:
                continue
            actions = numbers_at(_place(deck["actions"], 8 * WIDTH * (i * k + j)))["row"]
            fault, take = act(deck["action"], actions, learner["look"], deck["order_size"], s["target"])
            if fault != 0:
                case["fault"], case["asked"] = fault, j
                return False
            s["take"], s["keep"] = take, 0
            learner["waiting"] = 0
        for seat in range(1, k + 1):  # of what arrives at one instant, the lower seat's comes first, whoever sits there
            if venue["seat"][seat]["state"] == ASKED:
                reply(venue, np.int64(seat), deck["thinking_ns"])
    case["begun"] = 1
    return True


@kernel
def _advance(book, venue, case, deck, i):
    """Run to the looks of all learners, or to the end; False when a seat of Python must decide first.

    Learners look at the same instants, so none waits long. One that lost its margin is not waited for.
    """
    k = deck["k"]
    learners = learners_at(deck["learners"])["row"]
    minds = minds_at(_place(deck["minds"], _MINDS * i))["row"]
    events, ids = events_at(case["events"])["row"], ids_at(case["ids"])["row"]
    snapshots = snapshots_at(case["snapshots"])["row"]
    gone, alive, awaited = np.int32(-1), 0, 0
    while True:
        if venue["gone"] != gone:  # at first, and whenever somebody has left
            gone, alive, awaited = venue["gone"], 0, 0
            for j in range(k):
                if venue["seat"][np.int64(case["seats"][j])]["state"] != OUT:
                    alive += 1
                    awaited += 1 - learners[i * k + j]["waiting"]
        if alive > 0 and awaited == 0:
            break
        # the look of the first learner is written anew below, so that until then it may serve the minds
        seat = drive(book, venue, events, case["count"], snapshots, ids, learners[i * k]["look"], minds)
        if seat == FINISHED:
            case["over"] = 1
            break
        if seat == DRAIN:
            _tally(venue, case, deck, i)
            continue
        learner = np.int64(case["who"][seat])
        if learner < 0:
            case["asked"] = seat
            return False
        learners[i * k + learner]["waiting"] = 1
        awaited -= 1
    _tally(venue, case, deck, i)
    for j in range(k):
        _show(venue, case, deck, i, j)
    case["fresh"], case["begun"] = 0, 0
    times_at(deck["times"])["row"][i] = venue["now"]
    for line in range(3):  # of the record, what the next step begins with: nobody else brings it into the cache
        fetch(_place(case["events"], _EVENT * venue["event"] + 64 * line))
        fetch(_place(case["snapshots"], _SNAPSHOT * venue["shots"] + 64 * line))
    case["lost"] = venue["lost"]
    return venue["lost"] == 0


@kernel
def _place(address, offset):
    return np.uint64(np.uint64(address) + np.uint64(offset))


@kernel
def _tally(venue, case, deck, i):
    """Add the fills in the buffer to what their learners did in this step, and empty it."""
    k, learners = deck["k"], learners_at(deck["learners"])["row"]
    for row in range(venue["fills"]):
        fill = venue["fill"][row]
        size = np.int64(fill["size"])
        gain = size * (np.int64(fill["mid2"]) - 2 * np.int64(fill["price"]))  # half-ticks x lots, of the buyer
        if fill["side"] != BID:
            gain = -gain  # of the taker
        for j in range(k):
            learner, seat = learners[i * k + j], case["seats"][j]
            if fill["maker_owner"] == seat:
                learner["spread"] -= gain
                learner["lots"] += size
            if fill["taker_owner"] == seat:
                learner["lots"] += size
                if fill["reason"] == LIQUIDATION:
                    learner["closed"] += gain
                    learner["closing_fees"] += venue["fee"][row, 1]
                else:
                    learner["spread"] += gain
    venue["fills"] = venue["curves"] = venue["marks"] = 0


@kernel
def _show(venue, case, deck, i, j):
    """What a learner sees after the step, its reward and its account."""
    at = i * deck["k"] + j
    learner, seat = learners_at(deck["learners"])["row"][at], np.int64(case["seats"][j])
    account = venue["seat"][seat]
    rewards = numbers_at(deck["rewards"])["row"]
    if learner["over"] == 1:
        rewards[at] = 0.0
        return
    look_at(venue, seat, learner["look"])
    depth, features = deck["depth"], deck["features"]
    history = history_at(_place(deck["history"], 4 * _ROW * depth * at))["row"]
    notice(learner["look"], learner["memory"], history, depth, deck["queues"])
    shown = features_at(_place(deck["observations"], 4 * features * at))["row"]
    observe(learner["memory"], history, layout_at(deck["layout"])["row"], features, shown)
    position, tick = np.int64(account["position"]), venue["tick_value"]
    half_ticks = 2 * account["cash"] + position * np.int64(venue["mid2"])
    parts = numbers_at(_place(deck["parts"], 8 * _PARTS * at))["row"]
    if case["fresh"] == 1:
        for part in range(_PARTS):
            parts[part] = 0.0
        rewards[at] = 0.0
    else:
        gained = half_ticks - learner["half_ticks"]
        holding = gained - learner["spread"] - learner["closed"]
        fees, closing = (account["fees"] - learner["fees"]) / tick, learner["closing_fees"] / tick
        closed = learner["closed"] / 2 - closing
        spread, lots = learner["spread"] / 2, learner["lots"]
        rewards[at] = judge(deck["weights"], spread, holding / 2, fees - closing, closed, lots, position, parts)
        learner["held"] += abs(position)
        learner["looks"] += 1
    learner["half_ticks"], learner["fees"] = half_ticks, account["fees"]
    accounts, all_ = numbers_at(deck["accounts"])["row"], deck["n"] * deck["k"]
    accounts[at], accounts[all_ + at] = half_ticks * tick / 2 - account["fees"], account["fees"]
    accounts[2 * all_ + at] = learner["held"] / max(1, learner["looks"])
    accounts[3 * all_ + at] = learner["lots"]
    times_at(deck["positions"])["row"][at] = position
    out = case["over"] == 1 or account["state"] == OUT
    learner["over"] = 1 if out else 0
    flags_at(deck["out"])["row"][at] = 1 if out else 0
