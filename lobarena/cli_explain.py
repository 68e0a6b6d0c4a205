"""`lobarena explain`: one fill of a run, or all fills of one episode, told in words and numbers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from lobarena.terminal import STDOUT, Json, console, plain, remark, table, write_json

EXAMPLE = (
    "Example: lobarena explain results/tournament-1a2b3c4d 17 --passages. "
    "lobarena explain results/stress-1a2b3c4d --episode limit-up-lock --agent foic --seconds 115:140"
)


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Results folder.")],
    fill: Annotated[
        int | None, typer.Argument(metavar="FILL_ID", help="Number of the fill: column `fill` of fills.parquet.")
    ] = None,
    passages: Annotated[bool, typer.Option("--passages", help="List each instant at which lots ahead went.")] = False,
    episode: Annotated[
        str | None, typer.Option(metavar="NAME", help="Without FILL_ID: all fills of this one, by number or track.")
    ] = None,
    agent: Annotated[str, typer.Option(metavar="AGENT", help="Of --episode, where several agents have it.")] = "",
    seconds: Annotated[str, typer.Option(metavar="FROM:TO", help="Of --episode, s after its opening.")] = ":",
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Zone of the times told.")] = "Asia/Shanghai",
    json: Json = None,
) -> None:
    """Tell one fill: its order's place in the queue, what went ahead of it, who hit it, where the mid went.

    Its episode is played again from the settings and data of the run; it takes some seconds. With --episode, list the
    fills of an episode instead; nothing is played.
    """
    if (fill is None) == (episode is None):
        raise typer.BadParameter("give either the number of a fill or --episode")
    if episode is not None:
        _episode(run, episode, agent, seconds, json)
        return
    from lobarena.benchmarks.explain import as_json, lines
    from lobarena.benchmarks.explain import explain as tell

    try:
        zone = ZoneInfo(timezone)
    except (KeyError, OSError, ValueError) as error:
        raise typer.BadParameter(f"{timezone!r} is no time zone; give an IANA name such as Asia/Shanghai") from error

    def clock(time: int) -> str:
        whole, part = divmod(time, 10**9)
        return f"{datetime.fromtimestamp(whole, UTC).astimezone(zone):%Y-%m-%d %H:%M:%S}.{part:09d}"

    remark("playing the episode again")
    assert fill is not None
    story = tell(run, fill)
    if json:
        write_json(json, as_json(story))
    if json != STDOUT:
        for line in lines(story, clock):
            console().print(plain(line), markup=False, soft_wrap=True)
        if passages:
            rows = [
                {"time": clock(one.time), "traded": one.traded, "cancelled": one.cancelled, "left": one.left}
                for one in story.passages
            ]
            heads = {"time": "time", "traded": "traded ahead", "cancelled": "cancelled ahead", "left": "still ahead"}
            table("what went ahead of the order", heads, rows)


def _episode(run: Path, named: str, agent: str, seconds: str, json: str | None) -> None:
    from lobarena.benchmarks.explain_episode import HEADS, episode_of, fills_of
    from lobarena.benchmarks.results import read

    first, _, last = seconds.partition(":")
    try:
        between = float(first or "-inf"), float(last or "inf")
    except ValueError as error:
        raise typer.BadParameter(f"--seconds is {seconds!r}; write FROM:TO, such as 115:140 or 115:") from error
    results = read(run)
    one = episode_of(results, named, agent)
    rows = fills_of(results, one, between)
    if json:
        write_json(json, {"episode": one, "fills": rows})
    if json != STDOUT:
        shown = [
            row
            | {"fill": f"{row['fill']:,}", "seconds": f"{row['seconds']:,.1f}", "lots": f"{row['lots']:+,}"}
            | {"price": f"{row['price']:,}", "mid": f"{row['mid']:,.1f}", "pnl": f"{row['pnl']:,.0f}"}
            | {"position": f"{row['position']:+,}" if row["position"] else "0"}
            for row in rows
        ]
        title = f"episode {one['episode']}: {one['agent']} in {one['track']}, {one['contract']} {one['day']}"
        table(f"{title}; {len(rows):,} fills", HEADS, shown)
