"""What a user gets: the wheel, the links for type checkers, the commands that the documents promise."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import lobarena

ROOT = Path(__file__).parents[1]
FOLDERS = ("data", "sim", "agents", "benchmarks")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The project's wheel, built from a copy of what the build reads."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for folder in (*FOLDERS, "lobarena", "tests"):
        shutil.copytree(ROOT / folder, source / folder, ignore=shutil.ignore_patterns("__pycache__"))
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, source], cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(source / done.stdout.split()[-1])


def test_the_wheel_takes_no_name_but_its_own(wheel: zipfile.ZipFile):
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"lobarena", f"lobarena-{lobarena.__version__}.dist-info"}


def test_the_wheel_holds_every_source_and_no_test(wheel: zipfile.ZipFile):
    packed = {name for name in wheel.namelist() if name.endswith(".py")}
    mapped = {f"lobarena/{path.relative_to(ROOT)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")}
    face = {f"lobarena/{path.name}" for path in (ROOT / "lobarena").glob("*.py")}
    assert packed == mapped | face
    assert "lobarena/py.typed" in wheel.namelist()


def test_the_wheel_installs_the_command(wheel: zipfile.ZipFile):
    points = wheel.read(f"lobarena-{lobarena.__version__}.dist-info/entry_points.txt").decode()
    assert "lobarena = lobarena.cli:main" in points


def test_type_checkers_see_every_file_through_the_links():
    links = {path.name: path for path in (ROOT / ".types" / "lobarena").iterdir()}
    face = {path.name for path in (ROOT / "lobarena").iterdir() if path.suffix in (".py", ".typed")}
    assert set(links) == {*FOLDERS, *face}
    for name, link in links.items():
        assert link.is_symlink()
        assert not link.readlink().is_absolute()
        assert link.resolve() == (ROOT / name if name in FOLDERS else ROOT / "lobarena" / name)


def test_the_version_stands_in_one_way_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == lobarena.__version__
    assert f"\n## [{lobarena.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_first_command_of_the_readme_is_the_one_the_wheel_is_tried_with():
    first = re.search(r"```sh\n(.*?)\n", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert first is not None
    assert first[1] == "lobarena tournament"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_the_documents_lead_somewhere(document: str):
    text = (ROOT / document).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in target]
    assert targets or document == "CHANGELOG.md"
    assert not [target for target in targets if not (ROOT / target).exists()]


def test_the_makefile_explains_every_target():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"\.PHONY: (.*)", makefile)
    assert phony is not None
    assert set(re.findall(r"^([a-z]+):.*##", makefile, re.M)) == set(phony[1].split())
