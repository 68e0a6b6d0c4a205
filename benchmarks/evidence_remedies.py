"""Remedies for CMM, judged on the validation part alone: nothing here sees the test.

    python -m lobarena.benchmarks.evidence_remedies --config evidence.toml --evidence results/evidence

Prints a row a group and remedy: mean R2 of the validation looks, of the plain mean of the students and of the gate over
them. Trainings are kept beside the evidence, under remedies/, and go on where they were stopped.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lobarena.benchmarks.distilling import CMM, Plan, distill
from lobarena.benchmarks.evidence import prepare, slug
from lobarena.benchmarks.evidence_config import Evidence, evidence

REMEDIES: dict[str, dict[str, dict[str, Any]]] = {
    "as it is": {},
    "features count a tenth": {"shares": {"alpha": 0.1}},
    "forecasts of the teacher count twice": {"shares": {"soft": 1.0}},
    "both": {"shares": {"alpha": 0.1, "soft": 1.0}},
    "both, and all regimes alike": {"shares": {"alpha": 0.1, "soft": 1.0, "elsewhere": 1.0}},
    "both, and three cells of all tasks and regimes": {
        "shares": {"alpha": 0.1, "soft": 1.0},
        "design": {"by_task": False, "stretches": 1, "prune": 0.0},
    },
    "both, and a gate that learns slowly": {"shares": {"alpha": 0.1, "soft": 1.0}, "gate": {"rate": 3e-3}},
    "both, and twice the batches": {"shares": {"alpha": 0.1, "soft": 1.0}, "schedule": {"steps": 600}},
}


def plan_of(config: Evidence, name: str, seed: int) -> Plan:
    """CMM's plan with a remedy."""
    plan, changes = config.plan(CMM, seed), REMEDIES[name]
    return replace(plan, **{part: replace(getattr(plan, part), **change) for part, change in changes.items()})


def main(arguments: Sequence[str] | None = None) -> int:
    """Train every remedy and print the table."""
    import torch

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--evidence", type=Path, required=True, help="folder whose told states are used")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(1)
    config = evidence(chosen.config)
    print("| group | remedy | plain mean, R² | gate, R² |\n|---|---|---:|---:|")
    for group in config.groups:
        ready = prepare(config, group, chosen.evidence / "told", lambda done, total, text: None)
        for name in REMEDIES:
            out = chosen.evidence / "remedies" / group.name / f"{slug(name)}-{chosen.seed}"
            done = distill(plan_of(config, name, chosen.seed), ready.given, out)
            plain = max(row["validation/mean"] for row in done.history)
            print(f"| {group.name} | {name} | {plain:.4f} | {done.skill:.4f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
