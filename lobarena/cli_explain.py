"""`lobarena explain`: one fill of a run, told in words and numbers."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from lobarena.terminal import STDOUT, Json, console, plain, remark, table, write_json

EXAMPLE = "Example: lobarena explain results/tournament-1a2b3c4d 17 --passages"


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Results folder.")],
    fill: Annotated[int, typer.Argument(metavar="FILL_ID", help="Number of the fill: column `fill` of fills.parquet.")],
    passages: Annotated[bool, typer.Option("--passages", help="List each instant at which lots ahead went.")] = False,
    timezone: Annotated[str, typer.Option(metavar="ZONE", help="Zone of the times told.")] = "Asia/Shanghai",
    json: Json = None,
) -> None:
    """Tell one fill: its order's place in the queue, what went ahead of it, who hit it, where the mid went.

    The episode is played again from the settings and data of the run; it takes some seconds.
    """
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
