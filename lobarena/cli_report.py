"""`lobarena report`: the results of a folder in the terminal, as a page, as JSON."""

from pathlib import Path

from lobarena.terminal import STDOUT, console, remark, write_json


def show(run: Path, page: Path, *, episode: int | None = None, json: str | None = None) -> None:
    """Print the tables of a results folder, write its page and JSON; the last line says where the page lies."""
    from lobarena.benchmarks import report
    from lobarena.benchmarks.results import read

    results = read(run)
    if json:
        write_json(json, report.as_json(results))
    if json != STDOUT:
        report.terminal(results, console())
    report.html(results, page, episode)
    where = f"report: {page}"
    remark(where) if json == STDOUT else console().print(where, markup=False, soft_wrap=True)
