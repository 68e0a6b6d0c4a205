"""One side of a book as a record of its best levels tells it; what left the window of levels keeps its last size."""

from bisect import bisect_left, bisect_right, insort

from lobarena.data.schema import ASK


class Ladder:
    """One side of a book: the size at each price, ticks and lots, best first."""

    def __init__(self, side: int) -> None:
        self.side, self.sign = side, 1 if side == ASK else -1
        self.size: dict[int, int] = {}
        self.keys: list[int] = []  # sign x price, rising: best first

    def begin(self, prices: list[int], sizes: list[int]) -> None:
        """The levels of a row."""
        self.size = {price: size for price, size in zip(prices, sizes, strict=True) if size}
        self.keys = sorted(self.sign * price for price in self.size)

    def levels(self) -> list[tuple[int, int]]:
        """(price, size), best first."""
        return [(self.sign * key, self.size[self.sign * key]) for key in self.keys]

    def put(self, price: int, size: int) -> None:
        """A level has this size from now on; 0 none."""
        if size > 0:
            if price not in self.size:
                insort(self.keys, self.sign * price)
            self.size[price] = size
        elif price in self.size:
            del self.size[price]
            del self.keys[bisect_left(self.keys, self.sign * price)]

    def add(self, price: int, size: int) -> None:
        """A level grows or, by a negative size, shrinks."""
        self.put(price, self.size.get(price, 0) + size)

    def trade(self, price: int, size: int) -> None:
        """`size` lots trade at a price: what stood better is gone, the level shrinks."""
        for key in self.keys[: bisect_left(self.keys, self.sign * price)]:
            self.put(self.sign * key, 0)
        self.add(price, -size)

    def differs(self, prices: list[int], sizes: list[int]) -> list[tuple[int, int]]:
        """(price, size) that levels must have to show this row and do not have, what must go first.

        A row with fewer levels than it has room for shows the whole side; else what is beyond its last level is kept.
        """
        row = {price: size for price, size in zip(prices, sizes, strict=True) if size}
        whole = len(row) < len(sizes)
        inside = len(self.keys) if whole else bisect_right(self.keys, self.sign * prices[-1])
        wrong = [(price, size) for price, size in row.items() if self.size.get(price) != size]
        if wrong or inside != len(row):
            gone = [self.sign * key for key in self.keys[:inside] if self.sign * key not in row]
            wrong = [(price, 0) for price in gone] + wrong
        return wrong
