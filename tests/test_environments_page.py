"""docs/environments.md tells of the environment what the environment is."""

import re
from pathlib import Path

import numpy as np
import pytest

from lobarena.benchmarks.lint import ACTIONS, CHECKS
from lobarena.sim.actions import KINDS, OFFSETS
from lobarena.sim.blocks import BLOCKS, DEFAULT, HISTORY, ROW
from lobarena.sim.rewards import PARTS, REWARDS

PAGE = (Path(__file__).parents[1] / "docs" / "environments.md").read_text(encoding="utf-8")


def table_of_blocks() -> str:
    """A row a run of numbers that differ by their place alone ("bid 1 size" to "bid 5 size")."""
    lines = ["| block | numbers | what | unit | lowest | highest | scale |", "|---|---:|---|---|---:|---:|---:|"]
    for block, features in (*BLOCKS.items(), (HISTORY, ROW)):
        runs: dict[tuple[str, str, float, float, float], int] = {}
        for one in features:
            key = (re.sub(r" \d$| (?=\d )\d", " k", one.name), one.unit, one.low, one.high, one.scale)
            runs[key] = runs.get(key, 0) + 1
        for (name, unit, low, high, scale), count in runs.items():
            shown = f"{name}, k = 1 to {count}" if count > 1 else name
            lines.append(f"| {block} | {count} | {shown} | {unit} | {low:g} | {high:g} | {scale:g} |")
    return "\n".join(lines)


def test_the_table_of_blocks_is_that_of_the_code():
    told = PAGE.partition("<!-- blocks")[2].partition("-->\n")[2].strip().partition("\n\n")[0]
    assert told == table_of_blocks(), f"the page's table should read\n\n{table_of_blocks()}"


def test_the_table_counts_every_number():
    counts = [int(line.split("|")[2]) for line in table_of_blocks().splitlines()[2:]]
    assert sum(counts) == sum(map(len, BLOCKS.values())) + len(ROW)


def test_every_action_reward_and_part_is_told():
    for name in (*KINDS, *REWARDS, *PARTS):
        assert f"`{name}" in PAGE, name
    assert " ".join(f"({bid},{ask})" for bid, ask in OFFSETS) in " ".join(PAGE.split())
    assert set(BLOCKS) - set(DEFAULT) == {"queue positions"}


def test_every_check_of_lint_is_told():
    told = PAGE.partition("| check |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in told.splitlines()[2:]]
    assert [name for row in rows for name in row.split(", ")] == [ACTIONS, *CHECKS]


@pytest.mark.parametrize("number", range(len(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL))))
def test_the_code_of_the_page_runs(number: int):
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    names: dict[str, object] = {}
    exec(compile(code, f"environments.md, block {number}", "exec"), names)
    for value in names.values():
        assert not isinstance(value, np.ndarray) or value.dtype == object or np.isfinite(value).all()
