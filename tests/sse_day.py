"""A small day of orders in the files of the Shanghai Level-2 feed, as literals. Yesterday's close is 10.00."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Rows = Sequence[tuple[Any, ...]]

# BizIndex, time, A or D, order, price, shares left (or deleted), side
ORDERS: Rows = (
    (101, "09:15:01.000", "A", 1, 10.02, 300, "B"),
    (102, "09:15:02.000", "A", 2, 10.0, 200, "S"),
    (103, "09:15:02.000", "A", 3, 10.00999999999999, 200, "S"),  # the dust that the feed writes
    (104, "09:15:03.000", "A", 4, 9.99, 500, "B"),
    (105, "09:15:04.000", "A", 5, 9.98, 100, "B"),
    (106, "09:19:00.000", "D", 5, 9.98, 100, "B"),
    (120, "09:30:01.000", "A", 6, 10.01, 100, "S"),
    (133, "09:30:02.000", "A", 7, 10.01, 50, "B"),  # sent as 250
    (146, "09:30:04.000", "D", 4, 9.99, 400, "B"),
    (147, "09:30:05.000", "A", 9, 9.98, 300, "B"),
    (148, "13:00:00.000", "A", 10, 10.03, 200, "S"),
    (160, "14:58:00.000", "A", 11, 10.03, 100, "B"),
)

# BizIndex, time, price, shares, buyer, seller, who came
TRADES: Rows = (
    (110, "09:25:00.500", 10.01, 200, 1, 2, "N"),
    (111, "09:25:00.500", 10.01, 100, 1, 3, "N"),
    (131, "09:30:02.000", 10.01, 100, 7, 3, "B"),
    (132, "09:30:02.000", 10.01, 100, 7, 6, "B"),
    (140, "09:30:03.000", 10.01, 50, 7, 8, "S"),  # order 8 leaves nothing: no record of it
    (141, "09:30:03.000", 9.99, 100, 4, 8, "S"),
    (170, "15:00:00.500", 10.03, 100, 11, 10, "N"),
)

# time, trades, shares, turnover, bids, asks
SHOTS: Rows = (
    ("09:15:00.000", 0, 0, 0.0, (), ()),
    ("09:30:02.000", 4, 500, 5005.0, ((10.01, 50), (9.99, 500)), ()),
    ("09:30:03.000", 6, 650, 6504.5, ((9.99, 400),), ()),
    ("09:30:06.000", 6, 650, 6504.5, ((9.98, 300),), ()),
    ("13:00:03.000", 6, 650, 6504.5, ((9.98, 300),), ((10.03, 200),)),
    ("15:00:01.000", 7, 750, 7507.5, ((9.98, 300),), ((10.03, 100),)),
)

ENTRUST = "DataStatus,SecurityID,OrderTime,OrderType,OrderNO,OrderPrice,Balance,OrderBSFlag,BizIndex"
TRADE = "DataStatus,SecurityID,TradTime,TradPrice,TradVolume,TradeBuyNo,TradeSellNo,TradeBSFlag,BizIndex"
LEVELS = [f"{side}{what}{k}" for side in ("Ask", "Bid") for k in range(1, 11) for what in ("Price", "Volume")]
SNAPSHOT = ",".join(["UpdateTime,SecurityID,PreCloPrice,TradNumber,TradVolume,Turnover", *LEVELS])


def texts(orders: Rows = ORDERS, trades: Rows = TRADES, shots: Rows = SHOTS, symbol: str = "600000") -> dict[str, str]:
    """Member name -> CSV text."""
    entrust = [
        f"0,{symbol},{time},{kind},{no},{price},{left},{side},{biz}"
        for biz, time, kind, no, price, left, side in orders
    ]
    trade = [
        f"0,{symbol},{time},{price},{size},{buyer},{seller},{flag},{biz}"
        for biz, time, price, size, buyer, seller, flag in trades
    ]
    shot = [
        f"{time},{symbol},10.0,{count},{volume},{turnover},{_ladder(asks)},{_ladder(bids)}"
        for time, count, volume, turnover, bids, asks in shots
    ]
    lines = {"entrust.csv": [ENTRUST, *entrust], "trade.csv": [TRADE, *trade], "snapshot.csv": [SNAPSHOT, *shot]}
    return {name: "\n".join([*rows, ""]) for name, rows in lines.items()}


def _ladder(levels: Rows) -> str:
    cells = [f"{price},{size}" for price, size in levels] + [","] * (10 - len(levels))
    return ",".join(cells)


def folder(root: Path, files: dict[str, str] | None = None) -> Path:
    """The day as a folder; its name tells the date."""
    path = root / "20230201"
    path.mkdir(parents=True)
    for name, text in (texts() if files is None else files).items():
        (path / name).write_text(text)
    return path


def packed(root: Path, files: dict[str, str] | None = None, inside: str = "20230201/") -> Path:
    """The day as a ZIP."""
    path = root / "day.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (texts() if files is None else files).items():
            archive.writestr(inside + name, text)
    return path


def changed(rows: Rows, biz: int, place: int, value: Any) -> list[tuple[Any, ...]]:
    """The rows with one cell of the row that `biz` (the first cell) names replaced."""
    return [
        tuple(value if at == place else cell for at, cell in enumerate(row)) if row[0] == biz else row for row in rows
    ]
