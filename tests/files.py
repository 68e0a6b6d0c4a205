"""Small input files of each layout, as literals."""

import gzip
from pathlib import Path

BEST = "time,bid,bidq,ask,askq,last,cumvol,oi"
BEST_ROWS = (
    "20:59:00.500,3808,5,3810,155,3810,4668,2190",
    "21:00:00.500,3813,56,3814,161,3813,6168,2188",
    "21:00:01.0,3814,6,3820,5,3820,7000,2186",
    "00:00:00.0,3814,6,3820,5,3820,7000,2186",  # outside RB's hours
    "09:00:00.500,3815,7,3816,5,3815,7100,2186",
    "15:00:00.500,3802,25,3803,11,3803,7100,2194",
    "15:22:06.500,3802,25,3803,11,3803,7100,2194",
)
GOOD_ROWS = tuple(row for row in BEST_ROWS if not row.startswith("00:"))

WONDER = (
    "exchg,code,price,open,high,low,settle_price,upper_limit,lower_limit,total_volume,volume,total_turnover,turn_over,"
    "open_interest,diff_interest,trading_date,action_date,action_time,pre_close,pre_settle,pre_interest,"
    "bid1,bidq1,ask1,askq1"
)

STAR = "local_time,symbol,exch_time,type,last,size,depth," + ",".join(
    f"bid{k},bidq{k},ask{k},askq{k}" for k in range(1, 6)
)
STAR += ",oi,open,high,low,pre_close,upper,lower"

TQ = "symbol,id,datetime," + ",".join(f"ask_price{k},ask_volume{k}" for k in range(1, 6))
TQ += "," + ",".join(f"bid_price{k},bid_volume{k}" for k in range(1, 6))
TQ += ",last_price,average,highest,lowest,open_interest,volume,amount,dt"

VNPY = "symbol,date,time,lastPrice,lastVolume,bidPrice1,askPrice1,bidVolume1,askVolume1"

_LEVELS = [(side, k) for side in ("Bid", "Offer") for k in range(10)]
SSE = "SecurityID,DateTime,PreClosePx,LastPx,TotalVolumeTrade,TotalValueTrade,InstrumentStatus"
SSE += "".join(f",{side}Price{k},{side}OrderQty{k}" for side, k in _LEVELS)


def write_rows(path: Path, header: str, rows: tuple[str, ...] | list[str]) -> Path:
    """A CSV of a header and rows, packed when its name ends in .gz."""
    text = "\n".join([header, *rows, ""]).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def best(folder: Path, rows: tuple[str, ...] | list[str] = GOOD_ROWS, name: str = "rb1805_20171113.csv") -> Path:
    """A best-quote file."""
    return write_rows(folder / name, BEST, rows)


def wonder_row(clock: int, total: int, turnover: float, bid: float = 5230.0, ask: float = 5230.8, **more: float) -> str:
    """One row of a WonderTrader file of IF2101 on 2021-01-04."""
    settle, upper, day = more.get("settle", 0.0), more.get("upper", 5737.8), int(more.get("day", 20210104))
    return (
        f"CFFEX,IF2101,5230.0,5230.0,5230.0,5230.0,{settle},{upper},4694.6,{total},0,{turnover},0.0,90767,-59,"
        f"{day},{day},{clock},5227.0,5216.2,90826,{bid},1,{ask},2"
    )


def star_row(
    stamp: str, size: int, last: float = 4160.0, bid: float = 4159.0, oi: int = 2000, stub: bool = False
) -> str:
    """One row of a StarQuant file of RB1901; the recorder's clock is 0.4 s slow."""
    quote = "0.0,0,0.0,0" if stub else f"{bid},10,{bid + 1},20"
    local = f"{stamp[:17]}{float(stamp[17:]) - 0.4:06.3f}"
    deep = ",".join(["0.0,0,0.0,0"] * 4)
    return (
        f"{local},SHFE F RB 1901,{stamp},3,{last},{size},{1 if stub else 5},{quote},{deep},{oi},0,0,0,0,4519.0,3928.0"
    )


def sse_row(
    clock: str,
    bids: dict[float, int],
    asks: dict[float, int],
    volume: int = 0,
    value: float = 0.0,
    last: float = 0.0,
    status: str = "TRADE",
) -> str:
    """One row of the stock 600103 on 2021-12-01, which closed at 2.72 the day before; sides are {price: shares}."""
    levels = [*bids.items(), *[(0.0, 0)] * (10 - len(bids)), *asks.items(), *[(0.0, 0)] * (10 - len(asks))]
    told = [600103, f'"2021.12.01T{clock}"', 2.72, last, volume, value, f'"{status}"']
    return ",".join(str(cell) for cell in (*told, *(cell for level in levels for cell in level)))
