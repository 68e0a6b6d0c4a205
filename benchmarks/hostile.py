"""What do the importers do with damaged files? Each case damages one file; a clear error or a counted repair is right.

A case runs from file to replay: it is read, made a feed and replayed without a seat. Wrong is any other exception than
the readers' own, more than some seconds, a growth of memory without bound, or a process that dies. The cases run in a
process of their own, so that even that is one outcome among others.
"""

import gzip
import io
import random
import resource
import signal
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from lobarena.benchmarks.mutations import mutate
from lobarena.data.importers import read
from lobarena.data.recording import NOTED, DataError
from lobarena.sim.feed import feed_of
from lobarena.sim.market import Market
from lobarena.sim.types import LARGE, SMALL

LINES = 200  # of a text that a case begins with
SECONDS = 20.0  # that a case may take
GROWTH = 1 << 30  # bytes of memory that a case may add
BATCH = 250  # cases in a row in one process

REFUSED, MENDED, UNHARMED, NOT_REPLAYED = "refused", "mended and counted", "read as it is", "read, not to be replayed"


@dataclass
class Damage:
    """What became of the cases of one file."""

    source: str
    cases: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)  # case number and what went wrong

    @property
    def passed(self) -> bool:
        """Whether every case ended as it should."""
        return not self.failures


def damage(path: Path, cases: int, seed: int, advance: Callable[[int], None] = lambda done: None) -> Damage:
    """Damage a file `cases` times, in a process of its own; DataError when the undamaged file cannot be read."""
    prepared(path)  # refuses what is no file of a known format
    found = Damage(path.name)
    begin, batch = 0, BATCH
    while begin < cases:
        end = min(begin + batch, cases)
        try:
            with ProcessPoolExecutor(1, get_context("spawn")) as pool:
                outcomes = pool.submit(_cases, str(path), seed, begin, end).result(timeout=(end - begin) * SECONDS)
        except (BrokenProcessPool, TimeoutError) as error:
            if end - begin > 1:  # once more, one by one, to learn which it was
                batch = 1
                continue
            outcomes = [(f"the process died or hung ({type(error).__name__})", False)]
        for place, (what, right) in enumerate(outcomes, begin):
            found.cases += 1
            if right:
                found.outcomes[what] += 1
            else:
                found.failures.append(f"case {place}: {what}")
        begin = end
        advance(begin)
    return found


def prepared(path: Path) -> list[tuple[str, bytes]]:
    """(name, bytes) of the file and its companions, cut short; DataError unless they can be read."""
    parts = [(path.name, _short(path))]
    if "message" in path.name:  # a LOBSTER pair
        rows = _unpack(path)[1].count(b"\n")
        for other in sorted(path.parent.glob(path.name.split("_")[0] + "_*orderbook*")):
            parts.append((other.name, _short(other, min(rows, LINES))))
        parts[0] = (path.name, _short(path, min(rows, LINES)))
    with TemporaryDirectory() as folder:
        for name, data in parts:
            (Path(folder) / name).write_bytes(data)
        try:
            _read(Path(folder) / path.name)
        except DataError as error:
            raise DataError(f"{path}: not a file to begin with ({error}); give one that can be imported") from error
    return parts


def case(parts: list[tuple[str, bytes]], seed: int, number: int) -> Iterator[tuple[str, bytes]]:
    """The files of case `number`: one of them damaged, inside its packing or with it."""
    rng = random.Random(f"{seed}/{number}")
    victim = rng.randrange(len(parts))
    for place, (name, data) in enumerate(parts):
        if place != victim:
            yield name, data
        elif rng.random() < 0.15:
            yield name, mutate(data, rng)
        else:
            pack, inside = _opened(data)
            yield name, pack(mutate(inside, rng), rng)


def _cases(path: str, seed: int, begin: int, end: int) -> list[tuple[str, bool]]:
    parts, outcomes = prepared(Path(path)), []
    _warm(parts)
    signal.signal(signal.SIGALRM, _late)
    for number in range(begin, end):
        with TemporaryDirectory() as folder:
            for name, data in case(parts, seed, number):
                (Path(folder) / name).write_bytes(data)
            before = _peak()
            signal.setitimer(signal.ITIMER_REAL, SECONDS)
            try:
                what, right = _outcome(Path(folder) / parts[0][0])
            except Exception as error:
                what, right = f"{type(error).__name__}: {str(error)[:300]}", False
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
            if _peak() - before > GROWTH:
                what, right = f"{(_peak() - before) >> 20:,} MB more memory", False
            outcomes.append((what, right))
    return outcomes


def _warm(parts: list[tuple[str, bytes]]) -> None:
    """Compile what a replay needs, in both sizes of a book, before any case is timed."""
    with TemporaryDirectory() as folder:
        for name, data in parts:
            (Path(folder) / name).write_bytes(data)
        for recording in _read(Path(folder) / parts[0][0])[:1]:
            with suppress(ValueError):  # a few records may hold nothing to replay
                feed = feed_of(recording)
                for size in (SMALL, LARGE):
                    if feed.size <= size:
                        Market(replace(feed, size=size)).run()


def _outcome(path: Path) -> tuple[str, bool]:
    try:
        recordings = _read(path)
    except DataError as error:
        told = str(error)
        return (REFUSED, True) if len(told) > 10 else (f"an error that says nothing: {told!r}", False)
    what = UNHARMED
    for recording in recordings:
        if any(finding.action != NOTED or finding.count > 0 for finding in recording.findings):
            what = MENDED
        try:
            market = Market(feed_of(recording))
        except ValueError:
            what = NOT_REPLAYED
            continue
        market.run()
    return what, True


def _read(path: Path) -> list:  # type: ignore[type-arg]
    from datetime import date

    try:
        return read(path, split=True)
    except DataError as error:
        if "day=" in str(error):  # a file whose name told the day no longer does
            return read(path, day=date(2012, 6, 21), split=True)
        raise


def _late(_: int, __: FrameType | None) -> None:
    raise TimeoutError(f"took more than {SECONDS:.0f} s")


def _short(path: Path, count: int = LINES) -> bytes:
    """The file with the first lines of each text in it."""
    pack, inside = _unpack(path)
    if not _is_text(inside):
        return path.read_bytes()
    return pack(b"\n".join(inside.split(b"\n")[:count]) + b"\n", random.Random(0))


def _is_text(data: bytes) -> bool:
    return b"\x00" not in data[:4_096] and not data.startswith((b"DBN", b"\x93NUMPY"))


Pack = Callable[[bytes, random.Random], bytes]


def _unpack(path: Path) -> tuple[Pack, bytes]:
    return _opened(path.read_bytes())


def _opened(data: bytes) -> tuple[Pack, bytes]:
    """How a file is packed, and one of the texts or arrays inside."""
    if data.startswith(b"\x1f\x8b"):
        return (lambda inside, rng: gzip.compress(inside, 1)), gzip.decompress(data)
    if data.startswith(b"\x28\xb5\x2f\xfd"):
        import pyarrow as pa

        with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
            content = stream.read()
        return (lambda inside, rng: pa.compress(inside, "zstd", asbytes=True)), content
    if data.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {entry.filename: archive.read(entry) for entry in archive.infolist() if not entry.is_dir()}
        first = min(members, key=lambda name: len(members[name]))
        chosen = first if len(members) == 1 else sorted(members)[len(data) % len(members)]
        return (lambda inside, rng: _zip(members | {chosen: inside})), members[chosen]
    return (lambda inside, rng: inside), data


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def _peak() -> int:
    """Peak resident memory of this process, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
