"""hftbacktest over a record of level changes: run by the interpreter that has it, with nothing of lobarena imported.

    python peer_hftbacktest.py EVENTS.npy RUNS

EVENTS.npy: rows of kind (0 level, 1 trade), side, price, size, time as int64. The market maker joins the best prices
with 10 lots, a tick back for each 50 lots of inventory, at most 500 lots, decides every 100 ms, 2 ms latency each way.
Prints one JSON line: version, seconds of each run, trades, best prices at the end.
"""

import json
import sys
import time

import numpy as np
from hftbacktest import (  # type: ignore[import-not-found,unused-ignore]
    BUY,
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTX,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
    __version__,
)
from hftbacktest.types import event_dtype  # type: ignore[import-not-found,unused-ignore]
from numba import njit

TICK = 0.5
FEED_NS = 3_000_000  # from the exchange to the market maker
ORDER_NS = 2_000_000  # each way
EVERY_NS = 100_000_000


@njit  # type: ignore[untyped-decorator,unused-ignore]
def make_market(engine, every):  # type: ignore[no-untyped-def]
    decisions = 0
    while engine.elapse(every) == 0:
        decisions += 1
        engine.clear_inactive_orders(0)
        depth, position = engine.depth(0), engine.position(0)
        if depth.best_bid_tick <= 0 or depth.best_ask_tick > 100_000:
            continue
        step = int(position / 50)
        low, high = depth.best_bid_tick - max(step, 0), depth.best_ask_tick + max(-step, 0)
        buy, sell = position < 500, position > -500
        orders = engine.orders(0).values()
        while orders.has_next():
            order = orders.get()
            if order.side == BUY:
                if order.price_tick == low:
                    buy = False
                elif order.cancellable:
                    engine.cancel(0, order.order_id, False)
            elif order.price_tick == high:
                sell = False
            elif order.cancellable:
                engine.cancel(0, order.order_id, False)
        if buy:
            engine.submit_buy_order(0, low * 2, low * TICK, 10, GTX, LIMIT, False)
        if sell:
            engine.submit_sell_order(0, high * 2 + 1, high * TICK, 10, GTX, LIMIT, False)
    return decisions


def events_of(rows: np.ndarray) -> np.ndarray:
    """Rows as hftbacktest's own events."""
    events = np.zeros(len(rows), event_dtype)
    kind = np.where(rows[:, 0] == 1, TRADE_EVENT, DEPTH_EVENT)
    side = np.where(rows[:, 1] == 0, BUY_EVENT, SELL_EVENT)
    events["ev"] = kind | side | EXCH_EVENT | LOCAL_EVENT
    events["exch_ts"], events["local_ts"] = rows[:, 4], rows[:, 4] + FEED_NS
    events["px"], events["qty"] = rows[:, 2] * TICK, rows[:, 3]
    return events


def main(path: str, runs: int) -> None:
    """Time the market maker `runs` times after one that compiles."""
    events = events_of(np.load(path, allow_pickle=False))
    seconds = []
    for _ in range(runs + 1):
        asset = (
            BacktestAsset()
            .data(events)
            .linear_asset(1.0)
            .constant_order_latency(ORDER_NS, ORDER_NS)
            .risk_adverse_queue_model()
            .no_partial_fill_exchange()
            .trading_value_fee_model(0.0, 0.0)
            .tick_size(TICK)
            .lot_size(1.0)
            .roi_lb(0.0)
            .roi_ub(2_048.0)
            .last_trades_capacity(0)
        )
        engine = ROIVectorMarketDepthBacktest([asset])
        begin = time.perf_counter()
        decisions = make_market(engine, EVERY_NS)
        seconds.append(time.perf_counter() - begin)
        depth, state = engine.depth(0), engine.state_values(0)
        told = {"trades": int(state.num_trades), "bid": int(depth.best_bid_tick), "ask": int(depth.best_ask_tick)}
        engine.close()
    print(json.dumps({"version": __version__, "seconds": seconds[1:], "decisions": int(decisions), **told}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
