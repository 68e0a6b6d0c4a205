"""`lobarena features` and `lobarena probe`: what a language model's layers hold of a market, stored and measured."""

import hashlib
import json as jsonlib
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.terminal import INTERRUPTED, STDOUT, Json, console, progress, remark, table, write_json

EXAMPLE = "Example: lobarena features --data catalogue --contract IF2101 --share 0.25"
PROBE_EXAMPLE = "Example: lobarena probe --data catalogue --contract IF2101 --share 0.25"

Model = Annotated[
    Path | None,
    typer.Option(
        metavar="PATH", help="A GGUF file or a folder of safetensors; the model of `lobarena llm fetch` if none."
    ),
]
Data = Annotated[Path, typer.Option(metavar="CATALOGUE", help="Folder of `lobarena data import`.")]
Contracts = Annotated[str, typer.Option("--contract", metavar="TEXT,...", help="Only these; all when empty.")]
Stride = Annotated[int, typer.Option(min=1, help="s between windows. Text costs the same: every second is read.")]
Share = Annotated[
    float, typer.Option(min=0, max=1, help="Of each day's shards, spread over the day; a larger one goes on.")
]
Dtype = Annotated[str, typer.Option(help="float32, or bfloat16 (faster, and coarser).")]
Prompt = Annotated[str, typer.Option(help="Version of the stream.")]
Store = Annotated[
    Path | None, typer.Option("--store", metavar="FOLDER", help="LOBARENA_FEATURES or results/features if not given.")
]


def features(
    data: Data,
    contract: Contracts = "",
    model: Model = None,
    stride: Stride = 1,
    share: Share = 1.0,
    dtype: Dtype = "float32",
    prompt: Prompt = "stream-1",
    store: Store = None,
    json: Json = None,
) -> None:
    """Store the hidden states of every layer of a model for the days of a catalogue.

    What is there is not computed again. Ctrl-C is safe: the same command goes on.
    """
    filled = _fill(_files(data, contract), _reader(model, dtype, prompt), _root(store), stride, share)
    rows: list[dict[str, Any]] = [
        {"day": day.label, "windows": len(made.rows), "of": len(made.windows), "folder": str(made.folder)}
        for _, day, made in filled
    ]
    if json:
        write_json(json, {"stores": rows})
    if json != STDOUT:
        table("features", {"day": "day", "windows": "windows", "of": "of", "folder": "folder"}, rows)


def probe(
    data: Data,
    contract: Contracts = "",
    model: Model = None,
    stride: Stride = 1,
    share: Share = 1.0,
    dtype: Dtype = "float32",
    prompt: Prompt = "stream-1",
    store: Store = None,
    pooling: Annotated[str, typer.Option(help="last (token of a line) or mean (over the tokens of 8 lines).")] = "last",
    rank: Annotated[int, typer.Option(min=1, help="Directions of a layer that are read.")] = 64,
    quench_rows: Annotated[
        int,
        typer.Option(
            min=0,
            help="Windows a regime that layers are replaced for; 0 leaves that out. Each needs about "
            "30 MB with the default model.",
        ),
    ] = 48,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Named by the model under results if not given.")
    ] = None,
    json: Json = None,
) -> None:
    """Probe the layers of a model: which of them tell what comes next, in which regime of volatility.

    Features are filled where they are missing. The page is written beside the tables.
    """
    from lobarena.agents.teacher.shard import POOLINGS
    from lobarena.benchmarks.probe import check_folder
    from lobarena.benchmarks.probe import probe as measure
    from lobarena.benchmarks.probe_days import gather, head, split
    from lobarena.benchmarks.probe_page import write_page

    if pooling not in POOLINGS:
        raise typer.BadParameter(f"{pooling!r}; choose {' or '.join(POOLINGS)}", param_hint="--pooling")
    files, reader = _files(data, contract), _reader(model, dtype, prompt)
    filled = _fill(files, reader, _root(store), stride, share)
    identity = filled[0][2].identity
    text = jsonlib.dumps(
        [[made.identity.key, len(made.rows)] for *_, made in filled] + [pooling, rank, quench_rows, seed]
    )
    folder = out or Path("results") / f"probe-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    check_folder(folder)
    symbols = dict.fromkeys(file.symbol for file, *_ in filled)
    splits = [split([file for file, *_ in filled if file.symbol == symbol]) for symbol in symbols]
    source = {
        "model": identity.model,
        "prompt": identity.prompt,
        "settings": identity.settings,
        "pooling": pooling,
        "days": {day.label: {"data": made.identity.data, "windows": len(made.rows)} for _, day, made in filled},
    }
    windows = gather(splits, [made for *_, made in filled], pooling, source)
    quench = None
    if quench_rows and pooling == "last":
        from lobarena.agents.teacher.text_quench import TextQuench

        quench = TextQuench(reader, [day for _, day, _ in filled], windows.number, windows.look, head(windows))
    elif quench_rows:
        remark("only the last token's state can be replaced: nothing is quenched with --pooling mean")
    with progress("reading the layers") as advance:
        measure(
            windows.evidence,
            folder,
            rank=rank,
            seed=seed,
            quench=quench,
            quench_rows=max(1, quench_rows),
            advance=advance,
        )
    page = write_page(folder)
    told = jsonlib.loads((folder / "manifest.json").read_text(encoding="utf-8"))["sentences"]
    if json:
        write_json(json, {"folder": str(folder), "page": str(page), "sentences": told})
    shown = console(stderr=json == STDOUT)
    for sentence in told:
        shown.print(sentence, markup=False, soft_wrap=True)
    shown.print(f"page: {page}", markup=False, soft_wrap=True)


def _reader(model: Path | None, dtype: str, prompt: str) -> Any:
    from lobarena.agents.llm.fetch import fetched
    from lobarena.agents.teacher.text import TextModel

    remark("reading the model")
    return TextModel(model or fetched(), dtype, prompt)


def _root(store: Path | None) -> Path:
    return store or Path(os.environ.get("LOBARENA_FEATURES") or Path("results") / "features")


def _fill(files: Sequence[Any], reader: Any, root: Path, stride: int, share: float) -> list[tuple[Any, Any, Any]]:
    """Fill the stores of some days: (file, day, store) of those that have windows."""
    from lobarena.agents.teacher.store import fill
    from lobarena.agents.teacher.text import TextDay
    from lobarena.data.catalogue import read_day
    from lobarena.data.recording import DataError
    from lobarena.sim.feed import feed_of

    found = []
    for file in files:
        day = TextDay.of(feed_of(read_day(file), digest=file.digest))
        made = day.store(root, reader, stride)
        if made is None:
            remark(f"{day.label}: left out, no second has enough before it")
            continue
        with progress(day.label) as advance:
            try:
                fill(made, partial(reader.produce, day.lines), advance, share)
            except KeyboardInterrupt:
                remark("stopped; the same command goes on")
                raise typer.Exit(INTERRUPTED) from None
        found.append((file, day, made))
    if not found:
        raise DataError("no day has windows; give days with longer sessions, or a smaller --stride")
    return found


def _files(data: Path, contract: str) -> list[Any]:
    from lobarena.data.catalogue import days
    from lobarena.data.recording import DataError

    every = days(data)
    names = [name.strip().upper() for name in contract.split(",") if name.strip()]
    known = sorted({file.symbol for file in every})
    if missing := [name for name in names if name not in known]:
        raise DataError(f"no contract {missing[0]} in {data}; it holds {', '.join(known) or 'nothing'}")
    return [file for file in every if not names or file.symbol in names]
