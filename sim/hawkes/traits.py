"""What a living crowd is made of, as the kernels know it: its traits, which a day never changes, and its mood.

Both lie in the venue's record. The crowd's own time runs `pace` times as fast as the clock; rates are per second of it.
"""

import numpy as np

REACH = 24  # ticks from its side's best price within which the crowd keeps orders
REGIMES = ("calm", "normal", "wild")
TAKE, NEAR, CANCEL = 0, 1, 2  # what excites and is excited: market orders, limit orders at or inside the best, cancels
KINDS = ("take", "near", "cancel")
FAST, SLOW = 0, 1  # the two speeds at which excitement fades
SAME, OTHER = 0, 1  # side of what is excited, seen from what excites
QUANTILES = 512  # of a size distribution; its tail is cut at the last one's middle, 99.9 %
DISTANCES = 128  # likewise, of the distance of the limit orders behind the best
WALK = 3  # ticks behind the best price that those go
HEAVIEST = 8.0  # mean market orders that the largest one excites like
RATES = 11  # bands of the total intensity

TRAITS = np.dtype(
    [
        ("bound", "f8"),  # 1/s, rate of the candidates that are thinned: no higher intensity is acted upon
        ("take", "f8"),  # 1/s, unexcited market orders of both sides
        ("near", "f8"),  # 1/s, unexcited limit orders at the best price or inside the spread, both sides
        ("far", "f8"),  # 1/s, limit orders behind the best, both sides
        ("improve", "f8"),  # share of the near ones that go inside a spread of more than a tick
        ("heal", "f8"),  # growth of the rate of near ones for each tick of the spread beyond the usual one
        ("usual", "f8"),  # ticks, the spread beyond which that begins
        ("cancel", "f8", (2,)),  # 1/s, of each standing order: at the best price, behind it
        ("place", "f8"),  # 0 to 1, share of cancels that fall on the later half of a queue's lots
        ("walk", "f8"),  # share of market orders that go on behind the best price
        ("excite", "f8", (3, 3, 2, 2)),  # 1/s that one event adds: excited kind, exciting kind, SAME/OTHER, FAST/SLOW
        ("fade", "f8", (2,)),  # 1/s, FAST and SLOW
        ("tilt", "f8"),  # 0 to 1, how the lots at the two best prices tilt market orders
        ("lean", "f8"),  # 1/tick, how the reference price tilts buyers against sellers
        ("edge", "f8"),  # ticks beyond a best price from which on the reference price is acted upon
        ("chase", "f8"),  # 1/s, of acting upon it
        ("pull", "f8"),  # share of that which is makers who withdraw, not takers who sweep
        ("impact", "f8"),  # ticks by which a market order moves the reference price, times the root of its lots
        ("limit_mean", "f8"),  # lots
        ("take_mean", "f8"),  # lots
        ("depth", "f8", (3,)),  # factor on the size of limit orders in each regime
        ("limit_size", "i4", (QUANTILES,)),  # lots
        ("take_size", "i4", (QUANTILES,)),  # lots
        ("distance", "i4", (DISTANCES,)),  # ticks behind the best, of the far ones
    ],
    align=True,
)

MOOD = np.dtype(
    [
        ("time", "i8"),  # ns UTC up to which excitement has faded
        ("until", "i8"),  # ns UTC, end of the half second whose row was read last
        ("random", "u8"),  # state of the generator of candidates
        ("pace", "f8"),  # s of the crowd's time in one of the clock
        ("reference", "f8"),  # level index, the price nobody sees, before what trades did to it
        ("swell", "f8", (2,)),  # factor on the size of limit orders, by side
        ("shy", "f8"),  # ticks that makers keep further from the reference price than usual
        ("press", "f8"),  # -1 to 1, programmes that buy less those that sell
        ("shift", "f8"),  # ticks that trades have moved it
        ("excited", "f8", (3, 2, 2)),  # 1/s: kind, side, FAST/SLOW
        ("rates", "f8", (RATES,)),  # 1/s, of the last candidate's bands
        ("lots", "f8", (2, 2)),  # crowd's lots of each side: at the best price, behind it
        ("regime", "i8"),
        ("candidates", "i8"),  # so far
        ("accepted", "i8"),  # of them
        ("capped", "i8"),  # of them that met an intensity above the bound
    ],
    align=True,
)
