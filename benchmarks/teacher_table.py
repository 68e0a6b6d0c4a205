"""What teachers forecast on days that nobody learnt from, beside hand-made features and the random-weight control.

    python -m lobarena.benchmarks.teacher_table --data CATALOGUE --teachers pretrained/teacher.safetensors random/...

Every row is judged on the same looks. The hand-made features are the numbers of `agents.windows.numbers`, read out by
ridge and by boosted trees, contract by contract. With --readout a teacher's last layer is read out by ridge too, beside
the numbers. Penalties are chosen on the validation part; the test part is looked at once, here.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.teacher.chunks import Rows
from lobarena.agents.teacher.trained import Trained, trained
from lobarena.agents.windows.course import Course
from lobarena.agents.windows.ridge import ridge
from lobarena.agents.windows.scores import Score, blocks, score
from lobarena.agents.windows.targets import TASKS
from lobarena.benchmarks.forecast_days import courses
from lobarena.benchmarks.teaching import rows_of

HAND = "hand-made, ridge"


def states(one: Trained, symbol: str, rows: Rows, batch: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """((n, 3) f4 forecasts in units of the contract, (n, D) f2 states of the last layer); NaN where not read."""
    import torch

    teacher = one.teacher
    forecast = np.full(rows.targets.shape, np.nan, np.float32)
    last = np.full((len(rows.numbers), int(teacher.config.hidden_size)), np.nan, np.float16)
    numbers = torch.from_numpy(rows.numbers)
    with torch.inference_mode():
        for chunk, wanted in rows.covering(batch):
            told, state = teacher.told(numbers[torch.from_numpy(np.maximum(chunk, 0))])
            read = chunk[wanted]
            forecast[read] = one.forecast(symbol, rows.numbers[read], told.numpy()[wanted])
            last[read] = state.numpy()[wanted]
    return forecast, last


def table(
    found: Sequence[Course], teachers: dict[str, Trained], say: Any = print, readout: bool = False
) -> list[dict[str, Any]]:
    """A row a contract and forecaster: R2 of the tasks with intervals, and paired differences to the hand-made row."""
    rows = []
    for course in found:
        parts = {name: rows_of([course], name) for name in ("learn", "validate", "test")}
        read = parts if readout else {"test": parts["test"]}
        told = {
            label: {name: states(one, course.symbol, part) for name, part in read.items()}
            for label, one in teachers.items()
        }
        use = {name: np.isfinite(part.targets).all(1) for name, part in parts.items()}
        for found_states in told.values():  # the looks that every teacher has enough before
            for name in read:
                use[name] &= np.isfinite(found_states[name][0]).all(1)
        days, _ = course.part("test")
        block = blocks(np.concatenate([day.time for day in days])[use["test"]])
        target = {name: part.targets[use[name]] for name, part in parts.items()}
        scores = {}
        for label, forecast in _forecasts(parts, use, target, told, readout):
            scores[label] = score(forecast, target["test"], block)
            say(f"{course.symbol} {label}: {np.round(scores[label].value, 4).tolist()}")
        rows += [_row(course, label, int(use["test"].sum()), one, scores[HAND]) for label, one in scores.items()]
    return rows


def _forecasts(
    parts: dict[str, Rows],
    use: dict[str, np.ndarray],
    target: dict[str, np.ndarray],
    told: dict[str, Any],
    readout: bool,
) -> Iterator[tuple[str, np.ndarray]]:
    numbers = {name: part.numbers[use[name]].astype(np.float64) for name, part in parts.items()}
    hand = ridge(numbers["learn"], target["learn"], numbers["validate"], target["validate"])
    yield HAND, hand.forecast(numbers["test"])
    yield "hand-made, boosted trees", _trees(numbers, target)
    for label, found in told.items():
        yield label, found["test"][0][use["test"]]
        if readout:
            wide = {name: np.hstack([found[name][1][use[name]].astype(np.float32), numbers[name]]) for name in parts}
            state = ridge(wide["learn"], target["learn"], wide["validate"], target["validate"])
            yield f"{label}, ridge", state.forecast(wide["test"])


def _trees(numbers: dict[str, np.ndarray], target: dict[str, np.ndarray]) -> np.ndarray:
    from sklearn.ensemble import HistGradientBoostingRegressor

    columns = []
    for task in range(len(TASKS)):
        model = HistGradientBoostingRegressor(
            learning_rate=0.05,
            max_iter=300,
            max_leaf_nodes=15,
            min_samples_leaf=200,
            early_stopping=True,
            random_state=0,
        )
        model.fit(
            numbers["learn"], target["learn"][:, task], X_val=numbers["validate"], y_val=target["validate"][:, task]
        )
        columns.append(model.predict(numbers["test"]))
    return np.stack(columns, axis=1)


def _row(course: Course, label: str, looks: int, one: Score, hand: Score) -> dict[str, Any]:
    less = one.less(hand)
    row: dict[str, Any] = {"contract": course.symbol, "forecaster": label, "looks": looks}
    for k, task in enumerate(TASKS):
        for name, part in (("", one), (" less", less)):
            row[f"{task}{name}"] = [float(part.value[k]), float(part.low[k]), float(part.high[k])]
    return row


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The table as text."""
    head = [f"R² {task}" for task in TASKS] + [f"{task}, less hand-made" for task in TASKS]
    lines = ["| contract | forecaster | " + " | ".join(head) + " |", "|---|---|" + "---:|" * len(head)]
    for row in rows:
        cells = [f"{row[task][0]:.3f} ({row[task][1]:.3f} to {row[task][2]:.3f})" for task in TASKS]
        cells += [
            "" if row["forecaster"] == HAND else f"{v[0]:+.3f} ({v[1]:+.3f} to {v[2]:+.3f})"
            for v in (row[f"{task} less"] for task in TASKS)
        ]
        lines.append(f"| {row['contract']} | {row['forecaster']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; with --json write its numbers too."""
    from lobarena.agents.llm.fetch import fetched

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="training", help='a catalogue, or "training", the made-up days')
    parser.add_argument("--contracts", default="", help="only these, with commas between")
    parser.add_argument("--model", type=Path, default=None, help="the language model that the teachers belong to")
    parser.add_argument("--teachers", nargs="*", type=Path, default=[], help="files made by lobarena teach")
    parser.add_argument("--readout", action="store_true", help="also read out the last layer by ridge")
    parser.add_argument("--json", type=Path, default=None)
    chosen = parser.parse_args(arguments)
    model = chosen.model or fetched()
    teachers = {path.parent.name or path.stem: trained(path, model) for path in chosen.teachers}
    names = [name for name in chosen.contracts.split(",") if name]
    rows = table(courses(chosen.data, names), teachers, lambda text: print(text, file=sys.stderr), chosen.readout)
    print(markdown(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
