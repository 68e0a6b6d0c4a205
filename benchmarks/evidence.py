"""The evidence about CMM: every method trained and judged by one config, resumable, every trained student kept.

    RUN/manifest.json                the settings, their digest, digests of days and teachers
    RUN/told/                        what the teachers told, computed once for all methods
    RUN/units/GROUP/METHOD-SEED/     student.safetensors and rows.json, whole or not at all
    RUN/episodes.parquet, skill.parquet, weights.parquet, evidence.md, index.html

The test part is played once for a trained unit: rows that are there are never computed again, and a folder of other
settings or days is refused.
"""

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.distill.forecaster import forecaster
from lobarena.agents.distill.lessons import Lessons
from lobarena.agents.windows.ridge import ridge
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.distilling import CMM, Material, distill, lessons, lines, material
from lobarena.benchmarks.evidence_config import ABLATIONS, Evidence, Group
from lobarena.benchmarks.evidence_days import Scene, scenes, whole, windows
from lobarena.benchmarks.evidence_forecasts import Told, forecasts
from lobarena.benchmarks.evidence_units import Judged, Rows, judge, judge_agent
from lobarena.benchmarks.forecast_days import courses
from lobarena.benchmarks.manifest import ResultsError, no_space

Advance = Callable[[int, int, str], None]
TEACHER, LINE, HAND, CONSTANT = "teacher", "line", "hand-made, ridge", "constant"
REFERENCES = (TEACHER, LINE, HAND, CONSTANT)  # that are no students; once a group
MANIFEST, ROWS = "manifest.json", "rows.json"
KINDS = ("episodes", "skill", "weights")


@dataclass(frozen=True, eq=False)
class Prepared:
    """What every method of a group learns from and is judged on."""

    group: Group
    given: Material
    validate: list[Scene]
    test: list[Scene]
    seen: Lessons  # all looks of the validation and the test scenes
    teacher: Callable[[], Told]  # what the teacher forecasts at them


def prepare(config: Evidence, group: Group, told: Path, advance: Advance) -> Prepared:
    """Read the days, hear the teacher, watch the episodes."""
    from lobarena.agents.llm.fetch import fetched
    from lobarena.agents.teacher.trained import trained
    from lobarena.benchmarks.telling import telling

    file = Path(group.teacher).expanduser()
    if not file.is_file():
        raise ConfigError(f"{group.name}: no teacher {file}; train one, lobarena teach --data {group.data}")
    one = trained(file, Path(config.model) if config.model else fetched())
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    listen = telling(one, digest, config.layers, told, advance)
    advance(0, 1, f"{group.name}: reading days")
    found = courses(group.data, group.contracts, group.train_days)
    base, names = lines(found), [one.symbol for one in found]
    learn = lessons([pair for one in found for pair in windows(one, group.share)], base, names, listen)
    minutes = config.minutes
    validate = [scenes(one, "validate", group.data, minutes, config.validation_episodes) for one in found]
    test = [scenes(one, "test", group.data, minutes, group.episodes) for one in found]
    days = hashlib.sha256("".join(one.day.digest for one in (*validate, *test)).encode()).hexdigest()
    given = material(learn, whole(validate, base, names), names, days, digest)

    def forecast() -> Told:
        heard = np.concatenate([listen(one.day).forecast for one in (*validate, *test)])
        return Told("", heard.astype(np.float64), np.ones(len(heard)), np.zeros((len(heard), 0, 3)))

    return Prepared(group, given, validate, test, whole([*validate, *test], base, names), forecast)


def run(config: Evidence, out: Path, advance: Advance = lambda done, total, text: None) -> list[dict[str, Rows]]:
    """Train and judge what is not there yet; the rows of every unit, in order."""
    out.mkdir(parents=True, exist_ok=True)
    todo = [(group, seed, name) for seed, name in config.units(REFERENCES) for group in config.groups]
    ready: dict[str, Prepared] = {}
    manifest = _manifest(config, out)
    for place, (group, seed, name) in enumerate(todo):
        folder = out / "units" / group.name / f"{slug(name)}-{seed}"
        advance(place, len(todo), f"{group.name} {name} {seed}")
        if (folder / ROWS).exists():
            continue
        if group.name not in ready:
            ready[group.name] = prepare(config, group, out / "told", advance)
            _same_days(manifest, ready[group.name], out)
        _write(folder, unit(config, ready[group.name], name, seed, folder, advance))
    advance(len(todo), len(todo), "done")
    return [rows for _, rows in finished(out)]


def finished(out: Path) -> Iterator[tuple[str, dict[str, Rows]]]:
    """(place, rows) of every unit that is there."""
    for path in sorted((out / "units").glob(f"*/*/{ROWS}")):
        try:
            rows = json.loads(path.read_text("utf-8"))
        except ValueError as error:
            raise ResultsError(f"{path} is damaged; delete its folder and run the same command again") from error
        yield f"{path.parent.parent.name}/{path.parent.name}", rows


def unit(config: Evidence, ready: Prepared, name: str, seed: int, folder: Path, advance: Advance) -> dict[str, Rows]:
    """Train one method and play the validation and the test by it."""
    began, cpu = time.perf_counter(), time.process_time()
    facts: dict[str, Any] = {"parameters": None, "flop": None, "train_cpu_s": None, "look_us": None}
    key = {"group": ready.group.name, "seed": seed}
    if name in config.agents:
        return _rows(key | {"label": name}, judge_agent(name, ready.test, ready.given.units), facts)
    if name in REFERENCES:
        told = [_reference(ready, name)]
    else:
        done = distill(config.plan(name, seed), ready.given, folder, advance=advance)
        one = forecaster(done.file)
        facts |= {"parameters": one.parameters, "flop": one.flop, "train_cpu_s": time.process_time() - cpu}
        facts["look_us"] = _look_us(one, ready.seen)
        gates = config.gates if name == CMM else ()
        learn, validate = ready.given.learn, ready.given.validate
        told = list(forecasts(done.file, ready.seen, learn, validate, gates, config.gate_steps))
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
        shutil.rmtree(folder / "tensorboard", ignore_errors=True)
    rows: dict[str, Rows] = {kind: [] for kind in (*KINDS, "facts")}
    for one_told in told:
        label = f"{name}: {one_told.label} gate" if one_told.label else name
        judged = judge(one_told, ready.validate, ready.test, ready.given.units, config.rules)
        facts["wall_s"] = time.perf_counter() - began
        for kind, found in _rows(key | {"label": label}, judged, facts).items():
            rows[kind] += found
    return rows


def _rows(key: dict[str, Any], judged: Judged, facts: dict[str, Any]) -> dict[str, Rows]:
    return {kind: [key | row for row in getattr(judged, kind)] for kind in KINDS} | {"facts": [key | facts]}


def _reference(ready: Prepared, name: str) -> Told:
    looks = len(ready.seen.numbers)
    sure, nobody = np.ones(looks), np.zeros((looks, 0, 3))
    if name == TEACHER:
        return ready.teacher()
    if name == LINE:  # what every student begins with
        return Told("", ready.seen.line.astype(np.float64), sure, nobody)
    if name == CONSTANT:
        learn = ready.given.learn
        mean = np.nanmean(learn.whole(learn.target), 0)
        return Told("", np.repeat(mean[None], looks, 0), sure, nobody)
    found = []
    for validate in ready.validate:
        pairs = list(zip(*validate.course.part("learn"), strict=True))
        x = np.concatenate([day.numbers[mask] for day, mask in pairs]).astype(np.float64)
        y = np.concatenate([day.scaled[mask] for day, mask in pairs])
        known = np.isfinite(validate.day.targets).all(1)
        later = validate.day.numbers[known].astype(np.float64)
        found.append(ridge(x, y, later, validate.day.scaled[known]))
    every = [*zip(found, ready.validate, strict=True), *zip(found, ready.test, strict=True)]
    return Told("", np.concatenate([line.forecast(one.day.numbers) for line, one in every]), sure, nobody)


def _look_us(one: Any, seen: Lessons, looks: int = 300) -> float:
    """Median time of one look, as the agent reads it; microseconds."""
    market, found = one.follow(), []
    market.begin()
    numbers = np.zeros(64, np.float32)
    numbers[: seen.numbers.shape[1]] = seen.numbers[0]
    for _ in range(looks):
        start = time.perf_counter_ns()
        market.read(numbers)
        found.append(time.perf_counter_ns() - start)
    return float(np.median(found)) / 1e3


def slug(name: str) -> str:
    """A name as part of a path."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _manifest(config: Evidence, out: Path) -> dict[str, Any]:
    path = out / MANIFEST
    if not path.exists():
        found = {"digest": config.digest(), "config": config.model_dump(mode="json"), "groups": {}}
        _replace(path, json.dumps(found, indent=1))
        return found
    manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    if manifest.get("digest") != config.digest():
        raise ResultsError(f"{out} holds the evidence of other settings; give another --out, or its config")
    return manifest


def _same_days(manifest: dict[str, Any], ready: Prepared, out: Path) -> None:
    about = ready.given.about
    now: dict[str, Any] = {"days": about.data, "teacher": about.teacher, "contracts": about.contracts}
    now["looks"] = [len(ready.given.learn.numbers), len(ready.given.validate.numbers), len(ready.seen.numbers)]
    before = manifest["groups"].setdefault(ready.group.name, now)
    if before != now:
        raise ResultsError(f"{out} was made of other days or another teacher; give another --out, or those")
    _replace(out / MANIFEST, json.dumps(manifest, indent=1))


def _write(folder: Path, rows: dict[str, Rows]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / ROWS, json.dumps(rows, default=float).replace("NaN", "null").replace("Infinity", "null"))


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with no_space(path.parent):
        beside.write_text(text, "utf-8")
        os.replace(beside, path)


def is_ablation(label: str) -> bool:
    """Whether a label is CMM with something else than its defaults."""
    return label in ABLATIONS or label.endswith(" gate")
