"""Does replay reproduce a day of snapshots? Without a seat, each must be met, and nothing moved to meet it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lobarena.data.catalogue import days, read_day
from lobarena.data.importers import read
from lobarena.data.recording import DataError, EventRecording, Recording
from lobarena.sim.feed import snapshot_feed
from lobarena.sim.market import Market


@dataclass(frozen=True, slots=True)
class Day:
    """One day's outcome."""

    source: str  # file name
    symbol: str
    day: str  # trading day, ISO
    snapshots: int  # rows of the record that can be used
    met: int  # of them reproduced: every shown level, volume and turnover
    first_missed: int  # source row of the first that was not; 0 none
    moved: int  # crowd lots added or taken away to meet snapshots
    unfilled: int  # lots of recorded trades that found nobody to trade with
    unexplained_lots: int  # lots traded at a price that the record does not tell
    unexplained_turnover: int  # tick x lot that no split of the lots over whole ticks carries
    first_unexplained: int  # source row of the first of either; 0 none
    quarantined: int  # rows kept apart
    removed: int  # rows left out, such as subscription stubs

    @property
    def passed(self) -> bool:
        """Whether every snapshot came out by trades, adds and cancels alone."""
        return self.met == self.snapshots and self.moved == 0 and self.unfilled == 0

    @property
    def unexplained(self) -> str:
        """What the record leaves open, with reason and first row."""
        parts = []
        if self.unexplained_lots:
            parts.append(f"{self.unexplained_lots:,} lots without a price")
        if self.unexplained_turnover:
            parts.append(f"turnover of {self.unexplained_turnover:,} tick x lot beyond any price")
        return f"{', '.join(parts)}, first in row {self.first_unexplained}" if parts else "0"


def recordings(path: Path) -> Iterator[Recording]:
    """The days of a file of any known layout, a day of a catalogue, or a whole catalogue folder; one at a time."""
    if path.is_dir():
        found = days(path)
        if not found:
            raise DataError(f"{path} holds no day; give a catalogue folder or files")
        yield from (_snapshots(read_day(day)) for day in found)
    elif path.suffix == ".parquet":
        yield _snapshots(read_day(path))
    else:
        yield from (_snapshots(one) for one in read(path, split=True))


def _snapshots(recording: Recording | EventRecording) -> Recording:
    if isinstance(recording, EventRecording):
        raise DataError(f"{recording.source} is a record of events, not of snapshots; use `conformance events`")
    return recording


def check_day(recording: Recording) -> Day:
    """Replay one day without a seat; ValueError when it has no usable rows or spans more than a book holds."""
    feed = snapshot_feed(recording)
    market = Market(feed)
    market.run()
    venue, open_ = market.venue[0], feed.unexplained
    return Day(
        source=recording.source,
        symbol=recording.symbol,
        day=recording.trading_day.isoformat(),
        snapshots=len(recording.snapshots),
        met=int(venue["met"]),
        first_missed=int(venue["first_missed"]),
        moved=int(venue["moved"]),
        unfilled=int(venue["unfilled"]),
        unexplained_lots=open_.lots,
        unexplained_turnover=open_.turnover,
        first_unexplained=open_.first_row,
        quarantined=recording.quarantined,
        removed=sum(finding.removed for finding in recording.findings),
    )
