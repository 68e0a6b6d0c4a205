"""`lobarena export`: distilled students as an ONNX graph, or with weights in int8."""

from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer

from lobarena.terminal import STDOUT, Json, console, remark, table, write_json

EXAMPLE = (
    "Example: lobarena export student.safetensors --onnx cmm.onnx --int8 small.safetensors --data catalogue  "
    "then: lobarena tournament --agents cmm:weights=small.safetensors,idle"
)
CHECKED = 10_000  # looks on which a graph is compared with the kernel


def export(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of lobarena distill.")],
    onnx: Annotated[
        Path | None, typer.Option(metavar="OUT.onnx", help="A graph: look and state to forecast, confidence, state.")
    ] = None,
    int8: Annotated[
        Path | None, typer.Option(metavar="OUT.safetensors", help="The same students with weights in int8.")
    ] = None,
    data: Annotated[
        str, typer.Option(help='Days on which int8 is judged: a catalogue, or "training", the made-up days.')
    ] = "training",
    contracts: Annotated[str, typer.Option(metavar="TEXT,...", help="Only these; all when empty.")] = "",
    train_days: Annotated[int, typer.Option(min=1, help="Of a contract, as lobarena distill had it.")] = 10**6,
    train_share: Annotated[float, typer.Option(help="Of a contract's only day, likewise.")] = 0.6,
    json: Json = None,
) -> None:
    """Export students and gate: to ONNX, compared with the kernel; to int8, with its R² on the validation part."""
    from lobarena.agents.distill.forecaster import forecaster

    if onnx is None and int8 is None:
        raise typer.BadParameter("nothing to export; give --onnx OUT.onnx, --int8 OUT.safetensors or both")
    one = forecaster(weights)
    found: dict[str, dict[str, Any]] = {}
    if onnx:
        from lobarena.agents.distill.onnx import differences
        from lobarena.agents.distill.onnx import export as write

        write(one, onnx)
        found["onnx"] = differences(one, onnx, CHECKED)
    if int8:
        found["int8"] = _int8(
            weights, int8, data, [name for name in contracts.split(",") if name], train_days, train_share
        )
    if json:
        write_json(json, found)
    if json == STDOUT:
        return
    if onnx:
        off = ", ".join(f"{name} {value:.1e}" for name, value in found["onnx"].items())
        console().print(f"{onnx}: equal to the kernel on {CHECKED:,} looks; largest differences: {off}", soft_wrap=True)
    if int8:
        columns = {"task": "task", "float32": "float32", "int8": "int8", "loss": "loss", "interval": "95 % interval"}
        rows = [
            row | {key: "-" if row[key] is None else f"{row[key]:.5f}" for key in ("float32", "int8", "loss")}
            for row in found["int8"]["r2"]
        ]
        for row in rows:
            row["interval"] = "-" if row["low"] is None else f"{row['low']:.5f} to {row['high']:.5f}"
        table(f"R² on the validation part of {data}", columns, rows)
        console().print("{int8}: {bytes:,} bytes, before {bytes_before:,}".format(**found["int8"] | {"int8": int8}))


def _int8(
    weights: Path, out: Path, data: str, contracts: list[str], train_days: int, train_share: float
) -> dict[str, Any]:
    """Write the file; its size and skill."""
    import numpy as np

    from lobarena.agents.distill.forecaster import forecaster
    from lobarena.agents.distill.quantise import quantise
    from lobarena.agents.windows.targets import TASKS
    from lobarena.benchmarks.exporting import skills
    from lobarena.benchmarks.forecast_days import courses

    quantise(weights, out)
    remark(f"judging int8 on the validation part of {data}")
    days = courses(data, contracts, train_days, train_share)
    before, after = skills([forecaster(weights), forecaster(out)], days)
    with np.errstate(invalid="ignore"):  # where a spread does not move in some draw, there is no interval
        less = before.less(after)
    rows = [
        dict(zip(("task", "float32", "int8", "loss", "low", "high"), (task, *map(_number, numbers)), strict=True))
        for task, *numbers in zip(TASKS, before.value, after.value, less.value, less.low, less.high, strict=True)
    ]
    return {"bytes": out.stat().st_size, "bytes_before": weights.stat().st_size, "r2": rows}


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None
