"""A book of levels, slow and obvious: what a record of level changes shows after each of them."""

from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from lobarena.data.schema import ASK, BID

NOTHING = (0, 0)  # best level of an empty side


class LevelBook:
    """Sizes by price, both sides; the best level of each."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Take all levels away."""
        self.sizes: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._heaps: tuple[list[int], list[int]] = ([], [])  # every price there, best first, and some that have gone

    def set(self, rows: Iterable[tuple[int, int, int]]) -> None:
        """Set levels, each (side, price, size); a size of 0 takes the level away."""
        for side, price, size in rows:
            sizes = self.sizes[side]
            if not size:
                sizes.pop(price, None)
                continue
            if price not in sizes:
                heap = self._heaps[side]
                heappush(heap, price if side == ASK else -price)
                if len(heap) > 1_000 + 4 * len(sizes):
                    heap[:] = [price if side == ASK else -price, *(p if side == ASK else -p for p in sizes)]
                    heapify(heap)
            sizes[price] = size

    def best(self, side: int) -> tuple[int, int]:
        """Price and size of the best level; NOTHING where there is none."""
        heap, sizes = self._heaps[side], self.sizes[side]
        while heap:
            price = heap[0] if side == ASK else -heap[0]
            if price in sizes:
                return price, sizes[price]
            heappop(heap)
        return NOTHING

    @property
    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        (bid, bids), (ask, asks) = self.best(BID), self.best(ASK)
        return bids > 0 and asks > 0 and bid >= ask

    def to_meet(self, side: int, shown: dict[int, int]) -> list[tuple[int, int, int]]:
        """What brings one side to the levels of a snapshot, falls first; levels beyond the last one shown stay.

        A snapshot without a level on this side takes the whole side away.
        """
        sizes = self.sizes[side]
        last = (min(shown) if side == BID else max(shown)) if shown else None
        gone = [p for p in sizes if p not in shown and (last is None or (p >= last if side == BID else p <= last))]
        come = [(side, price, size) for price, size in shown.items() if size != sizes.get(price, 0)]
        return [(side, price, 0) for price in gone] + come
