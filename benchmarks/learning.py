"""Do the learners learn? Every one trained for several seeds, validated, compared with those who learn nothing.

    python -m lobarena.benchmarks.learning --agents all --seeds 5

Validation episodes are the same for all. Intervals are by bootstrap over seeds and episodes at once (a seed is drawn
with all its episodes, an episode with all its agents), differences are paired by episode. What is finished in the
folder is not trained again.
"""

import argparse
import html
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lobarena.agents.learner import LEARNERS, TrainingError, make_learner
from lobarena.agents.training import Plan, judge, train
from lobarena.agents.validation import Outcome
from lobarena.agents.weight_file import read
from lobarena.benchmarks.baselines import baseline
from lobarena.benchmarks.config import ConfigError
from lobarena.benchmarks.learning_days import plan
from lobarena.benchmarks.report_style import CSS, JS
from lobarena.data.recording import DataError
from lobarena.sim.random import generator

BASELINES = ("random", "idle", "foic")
RESAMPLES = 9_999
Say = Callable[[str], None]


def learn(
    agents: Sequence[str], seeds: Sequence[int], plan: Plan, out: Path, budget: int | None, say: Say
) -> tuple[dict[str, list[Outcome]], list[dict[str, Any]]]:
    """(agent -> an outcome a seed, rows of the learning curves)."""
    outcomes: dict[str, list[Outcome]] = {}
    curves: list[dict[str, Any]] = []
    for agent in agents:
        for seed in seeds:
            learner = make_learner(agent)
            steps = budget or learner.budget
            command = f"lobarena train {agent} --seed {seed} --budget {steps}{plan.command}"  # does the same
            done = train(learner, replace(plan, command=command), out / agent / f"seed-{seed}", steps, seed)
            weights, _ = read(done.weights, agent)
            outcomes.setdefault(agent, []).append(judge(make_learner(agent), plan, weights))
            curves += [{"agent": agent, "seed": seed} | row for row in done.history]
            say(f"{agent}, seed {seed}: validation PnLMAP {done.best['validation/pnlmap']:,.1f}")
    return outcomes, curves


def compare(
    learnt: Mapping[str, Sequence[Outcome]], simple: Mapping[str, Outcome], resamples: int = RESAMPLES
) -> list[dict[str, Any]]:
    """One row an agent: PnLMAP (mean over seeds), low, high, and (difference, low, high) to each baseline.

    PnLMAP of a seed is mean PnL / mean MAP over its episodes. ValueError when the episodes are not the same.
    """
    everyone = {name: list(found) for name, found in learnt.items()} | {name: [one] for name, one in simple.items()}
    episodes = len(next(iter(simple.values())).pnl)
    if any(len(one.pnl) != episodes for found in everyone.values() for one in found):
        raise ValueError("agents were validated on other episodes; use one plan for all")
    rng = generator(0, "learning", "bootstrap")
    drawn = rng.multinomial(episodes, np.full(episodes, 1 / episodes), size=resamples) / episodes
    draws, means = {}, {}
    for name, found in everyone.items():
        chosen = rng.multinomial(len(found), np.full(len(found), 1 / len(found)), size=resamples) / len(found)
        pnl, held = np.array([one.pnl for one in found]), np.array([one.map for one in found])
        draws[name] = (chosen * (drawn @ pnl.T) / np.maximum(drawn @ held.T, 1e-7)).sum(axis=1)
        means[name] = float(np.mean([one.pnlmap for one in found]))
    rows = []
    for name, found in everyone.items():
        row = {"agent": name, "seeds": len(found), "pnlmap": means[name], **_span(draws[name])}
        row["epnl"] = float(np.mean([one.epnl for one in found]))
        row["map"] = float(np.mean([one.map.mean() for one in found]))
        for other in simple:
            told = {"difference": means[name] - means[other], **_span(draws[name] - draws[other])}
            row |= {f"{key} to {other}": value for key, value in told.items()}
        rows.append(row)
    return sorted(rows, key=lambda row: -row["pnlmap"])


def _span(draws: np.ndarray) -> dict[str, float]:
    low, high = np.quantile(draws, (0.025, 0.975))
    return {"low": float(low), "high": float(high)}


def as_text(rows: Sequence[Mapping[str, Any]], baselines: Sequence[str]) -> str:
    """A Markdown table."""
    head = ["agent", "seeds", "PnLMAP, CNY / lot", "95 % interval", "EPnL, CNY", "MAP, lots"]
    lines = ["| " + " | ".join([*head, *(f"less {name}" for name in baselines)]) + " |"]
    lines.append("|---|" + "---:|" * (len(head) - 1 + len(baselines)))
    for row in rows:
        cells = [row["agent"], str(row["seeds"]), f"{row['pnlmap']:,.1f}", f"{row['low']:,.1f} to {row['high']:,.1f}"]
        cells += [f"{row['epnl']:,.1f}", f"{row['map']:.2f}"]
        for name in baselines:
            low, high = row[f"low to {name}"], row[f"high to {name}"]
            cells.append(
                "" if name == row["agent"] else f"{row[f'difference to {name}']:,.1f} ({low:,.1f} to {high:,.1f})"
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def page(curves: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]], baselines: Sequence[str]) -> str:
    """One HTML page: validation PnLMAP over steps of each agent, a thin line a seed, their mean thick; and a table."""
    from plotly.offline import get_plotlyjs

    cards = []
    for agent in dict.fromkeys(row["agent"] for row in curves):
        own = [row for row in curves if row["agent"] == agent]
        lines = [[row for row in own if row["seed"] == seed] for seed in dict.fromkeys(row["seed"] for row in own)]
        whole = [
            {"steps": at[0]["steps"], "validation/pnlmap": float(np.mean([one["validation/pnlmap"] for one in at]))}
            for at in zip(*lines, strict=False)
        ]
        data = [*(_trace(line, 1, 0.35) for line in lines), _trace(whole, 3, 1.0)]
        axes = {"xaxis": _titled("environment steps"), "yaxis": _titled("PnLMAP, CNY / lot")}
        figure = json.dumps({"data": data, "layout": axes | {"height": 300}}).replace("</", "<\\/")
        name = html.escape(str(agent))
        cards.append(
            f'<div class="card"><h2>{name}</h2><div class="plot" data-figure="{name}"></div>'
            f'<script type="application/json" id="{name}">{figure}</script></div>'
        )
    heads = ("agent", "seeds", "PnLMAP", "low", "high", *(f"less {name}" for name in baselines))
    keys = ("agent", "seeds", "pnlmap", "low", "high", *(f"difference to {name}" for name in baselines))
    body = "".join("<tr>" + "".join(f"<td>{_cell(row[key])}</td>" for key in keys) + "</tr>" for row in rows)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>learning · lobarena</title>'
        f'<link rel="icon" href="data:,"><style>{CSS}</style><script>{get_plotlyjs()}</script></head><body><main>'
        '<h1>Learning curves</h1><p class="soft">Validation after each slice: a thin line a seed, their mean thick.</p>'
        f'<div class="pair">{"".join(cards)}</div>'
        f'<div class="card scroll"><table><thead><tr>{"".join(f"<th>{head}</th>" for head in heads)}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></main><script>{JS}</script></body></html>\n"
    )


def _trace(line: Sequence[Mapping[str, Any]], width: int, opacity: float) -> dict[str, Any]:
    x, y = [row["steps"] for row in line], [row["validation/pnlmap"] for row in line]
    style = {"color": "#4269d0", "width": width}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "line": style, "opacity": opacity, "showlegend": False}


def _titled(text: str) -> dict[str, Any]:
    return {"title": {"text": text}}


def _cell(value: Any) -> str:
    return f"{value:,.1f}" if isinstance(value, float) else html.escape(str(value))


def report(
    outcomes: Mapping[str, Sequence[Outcome]], curves: Sequence[Mapping[str, Any]], plan: Plan, out: Path
) -> list[dict[str, Any]]:
    """Compare with the baselines; writes learning.json, curves.parquet and learning.html into the folder."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = compare(outcomes, {name: baseline(name, plan) for name in BASELINES})
    names = list(dict.fromkeys(key for row in curves for key in row))
    pq.write_table(pa.table({name: [row.get(name) for row in curves] for name in names}), out / "curves.parquet")
    (out / "learning.json").write_text(json.dumps(rows, indent=2, allow_nan=False) + "\n", "utf-8")
    (out / "learning.html").write_text(page(curves, rows, BASELINES), "utf-8")
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, validate, compare."""
    parser = argparse.ArgumentParser(prog="python -m lobarena.benchmarks.learning", description=__doc__)
    parser.add_argument("--agents", default="all", help=f"all, or some of {','.join(LEARNERS)}")
    parser.add_argument("--seeds", type=int, default=5, help="how many")
    parser.add_argument("--budget", type=int, default=None, help="environment steps of each; the learner's own")
    parser.add_argument("--data", default="synthetic", help="or the folder of a catalogue")
    parser.add_argument("--contracts", default="", help="a,b; all of them")
    parser.add_argument("--episodes", type=int, default=0, help="validation episodes a stretch, at most; 0 is all")
    parser.add_argument("--episode-minutes", type=float, default=30.0)
    parser.add_argument("--slice-steps", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("results/learning"))
    chosen = parser.parse_args(arguments)
    agents = list(LEARNERS) if chosen.agents == "all" else [name.strip() for name in chosen.agents.split(",")]
    for name in agents:
        make_learner(name)  # a wrong name is told before the first is trained
    options = ("data", "contracts", "episodes", "episode_minutes", "slice_steps")
    given = {name: getattr(chosen, name) for name in options if getattr(chosen, name) != parser.get_default(name)}
    where = plan(
        chosen.data,
        [name for name in chosen.contracts.split(",") if name],
        episode_minutes=chosen.episode_minutes,
        episodes=chosen.episodes,
        slice_steps=chosen.slice_steps,
        command="".join(f" --{name.replace('_', '-')} {value}" for name, value in given.items()),
    )
    outcomes, curves = learn(
        agents, range(chosen.seeds), where, chosen.out, chosen.budget, lambda text: print(text, file=sys.stderr)
    )
    rows = report(outcomes, curves, where, chosen.out)
    print(as_text(rows, BASELINES))
    print(f"\ncurves: {chosen.out / 'learning.html'}")


if __name__ == "__main__":
    try:
        main()
    except (ConfigError, DataError, TrainingError) as error:
        sys.exit(f"learning: {error}")
