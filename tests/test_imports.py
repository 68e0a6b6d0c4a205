"""Who may import whom, read from the sources; and what a command really loads."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ORDER = ("data", "sim", "agents", "benchmarks")  # an import never points back to the right
FOLDERS = (*ORDER, "lobarena")
HEAVY = {"pandas", "torch", "pyarrow", "plotly"}
SOURCES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path, *, module_level: bool = False) -> set[str]:
    """Dotted names that a file imports; with `module_level` only what importing the file itself loads."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _loaded(tree) if module_level else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _loaded(tree: ast.AST) -> list[ast.AST]:
    """Nodes outside functions and outside `if TYPE_CHECKING`."""
    found: list[ast.AST] = []
    for node in ast.iter_child_nodes(tree):
        checking = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        if not checking and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [node, *_loaded(node)]
    return found


def tops(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def layers(names: set[str]) -> set[str]:
    """The folders among `lobarena.x.y` names."""
    return {name.split(".")[1] for name in names if name.startswith("lobarena.") and name.split(".")[1] in ORDER}


def kernel_files() -> list[Path]:
    makers = {f"lobarena.sim._jit.{name}" for name in ("kernel", "maker", "inline", "free")}
    found = [path for path in SOURCES if makers & imports(path, module_level=True)]
    assert len(found) > 5
    return found


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_no_import_points_back_to_the_right(path: Path):
    folder = path.relative_to(ROOT).parts[0]
    allowed = set(ORDER) if folder == "lobarena" else set(ORDER[: ORDER.index(folder) + 1])
    assert layers(imports(path)) <= allowed


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_imports_are_absolute_and_never_of_a_bare_folder(path: Path):
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    assert not [node.lineno for node in nodes if isinstance(node, ast.ImportFrom) and node.level]
    assert not tops(imports(path)) & set(ORDER)


def test_only_the_face_imports_the_face():
    face = {f"lobarena.{path.stem}" for path in (ROOT / "lobarena").glob("*.py")} - {"lobarena.__init__"}
    assert face
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] != "lobarena":
            assert not imports(path) & face, relative(path)


@pytest.mark.parametrize("path", sorted((ROOT / "sim").rglob("*.py")), ids=relative)
def test_the_rules_of_the_simulator_load_numpy_and_numba_alone(path: Path):
    views = path.name in ("__init__.py", "sb3.py", "vec_check.py") or "env" in path.stem.split("_")
    allowed = set(sys.stdlib_module_names) | {"lobarena", "numpy", "numba"} | ({"gymnasium"} if views else set())
    allowed |= {
        "sb3.py": {"stable_baselines3"},
        "seats_env.py": {"pettingzoo"},
        "fit.py": {"pydantic"},
        "place.py": {"llvmlite"},
    }.get(path.name, set())
    assert tops(imports(path, module_level=True)) <= allowed


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name == "__init__.py"], ids=relative)
def test_no_package_loads_anything_heavy_by_itself(path: Path):
    assert not tops(imports(path, module_level=True)) & (HEAVY | {"numba"})


def test_every_folder_with_sources_is_a_package_of_the_project():
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    folders = {path.parent.relative_to(ROOT) for path in SOURCES}
    named = {
        ".".join(("lobarena", *folder.parts) if folder.parts[0] != "lobarena" else folder.parts) for folder in folders
    }
    assert set(setuptools["packages"]) == named
    assert setuptools["package-dir"] == {f"lobarena.{folder}": folder for folder in ORDER}
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def test_a_change_of_any_kernel_source_moves_the_cache_of_compiled_code(tmp_path: Path):
    for path in (path for path in SOURCES if path.relative_to(ROOT).parts[0] in ORDER):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    script = tmp_path / "touch.py"
    script.write_text(
        "import runpy, sys, pathlib\n"
        "folder = runpy.run_path('sim/_jit.py')['cache_folder']\n"
        "for name in sys.argv[1:]:\n"
        "    before = folder()\n"
        "    with pathlib.Path(name).open('a') as file: file.write('# changed')\n"
        "    assert folder() != before, name\n"
        "print('all moved')\n"
    )
    names = [
        *(relative(path) for path in kernel_files()),
        "data/schema.py",
        "sim/types.py",
    ]  # constants are compiled in
    done = subprocess.run([sys.executable, script, *names], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "all moved\n", done.stderr


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running the code."""
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return tops(set(done.stdout.rpartition("MODULES")[2].split()))


@pytest.mark.parametrize(
    "arguments", [["version"], ["--help"], ["tournament", "--help"], ["train", "--help"], ["data", "--help"]]
)
def test_help_and_version_load_nothing_heavy(arguments: list[str]):
    loaded = loaded_by(f"from lobarena.cli import main; main({arguments!r})")
    assert "typer" in loaded
    assert not loaded & (HEAVY | {"numba", "gymnasium"})


def test_making_an_environment_loads_neither_torch_nor_pandas():
    loaded = loaded_by("import gymnasium, lobarena.sim; gymnasium.make('lobarena/MarketMaking-v0')")
    assert {"numba", "gymnasium"} <= loaded
    assert not loaded & {"torch", "pandas", "plotly"}


ALONE = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
from test_agents import context, observation
from lobarena.agents.table import make
from lobarena.benchmarks.config import DEFAULT_AGENTS
for name in (*DEFAULT_AGENTS, "imm", "c-ppo", "sac", "dqn", "untaught"):
    agent = make(name)
    agent.reset(context(sigma=0.5, spread=1.2, volume=3.0, size=12.0, a_bid=1.0, a_ask=1.0, k=0.5))
    for k in range(12):
        agent.act(observation(after_s=k / 2))
"""


def test_every_packaged_agent_plays_without_the_extras():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = {
        line.partition(">")[0].partition("[")[0] for name in ("dbn", "export", "llm", "rl") for line in extras[name]
    }
    names = {"scikit-learn": "sklearn", "databento-dbn": "databento_dbn", "stable-baselines3": "stable_baselines3"}
    blocked = sorted(names.get(one, one) for one in wanted)
    assert {"stable_baselines3", "transformers", "optuna"} <= set(blocked)
    code = f"import sys; sys.path.insert(0, {str(ROOT / 'tests')!r})" + ALONE.format(blocked=blocked)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
