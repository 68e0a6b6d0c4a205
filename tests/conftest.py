"""Where the real recordings are; without them, the tests that need them are deselected and counted."""

import os
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
DESELECTED = pytest.StashKey[int]()


def recordings() -> Path:
    """Folder of the real recordings: LOBARENA_DATA, else ../shared/data beside the project root."""
    return Path(os.environ.get("LOBARENA_DATA") or ROOT.parent / "shared" / "data")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    return recordings()


def pytest_bdd_apply_tag(tag: str, function: Any) -> bool:
    """A feature file's tags are its own: they become no marks here."""
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if recordings().is_dir():
        return
    needy = [item for item in items if item.get_closest_marker("realdata")]
    config.stash[DESELECTED] = len(needy)
    if needy:
        config.hook.pytest_deselected(items=needy)
        items[:] = [item for item in items if not item.get_closest_marker("realdata")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    count = config.stash.get(DESELECTED, 0)
    if count:
        terminalreporter.write_line(
            f"{count} tests of real recordings left out: no folder {recordings()}; set LOBARENA_DATA"
        )
