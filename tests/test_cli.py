"""The command line: exit codes, messages, the same numbers as JSON, and a tournament from end to end."""

import json
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from files import BEST_ROWS, best
from results_folder import make_run

from lobarena import __version__
from lobarena.benchmarks import tournament
from lobarena.benchmarks.config import Config, settings
from lobarena.cli import main
from lobarena.cli_tournament import _value, as_toml, default_out
from lobarena.terminal import plain

SMALL = ["--agents", "foic,random", "--contracts", "RBSYN", "--episode-minutes", "5", "--episodes-per-day", "1"]
SMALL += ["--rotations", "1"]
EPISODES = 6  # of SMALL: two days, each agent alone and both together

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process: (exit code, stdout, stderr)."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        written = capsys.readouterr()
        return int(exit_.value.code or 0), written.out, written.err

    return call


def another(name: str) -> tuple[str, Any]:
    """A value of a setting that is not its default: as the option's text, as the setting."""
    field = Config.model_fields[name]
    kind, default = field.annotation, field.default
    if name == "agents":
        return "glft,foic:N=2,M=3,random", ["glft", "foic:N=2,M=3", "random"]
    if name == "decision_latency":
        return "per-token:prefill=2000,decode=40", "per-token:prefill=2000,decode=40"
    if name == "latency_sweep":
        return "1000ms,10ms", ["0", "10ms", "1s"]
    if name == "tracks":
        return "arena", ["arena"]
    if get_origin(kind) is tuple:
        return "20240103,20240104", ["20240103", "20240104"]
    if get_origin(kind) is Literal:
        value = next(value for value in get_args(kind) if value != default)
        return value, value
    value = default + 1 if kind is int else default * 1.5 + 0.1 if kind is float else "somewhere"
    return str(value), value


def test_version_is_that_of_the_package(run: Run):
    assert run("version") == (0, f"lobarena {__version__}\n", "")


COMMANDS = ["tournament", "report", "lint", "agents", "version", "data import", "data check", "data list", "data synth"]
COMMANDS += ["train", "tune"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example(run: Run, command: str):
    code, out, _ = run(*command.split(), "--help")
    assert code == 0
    assert f"Example: lobarena {command}" in " ".join(out.split())


def test_help_names_every_command_and_the_exit_codes(run: Run):
    code, out, _ = run("--help")
    assert code == 0
    assert {command.split()[0] for command in COMMANDS} <= set(out.split())
    assert "130 interrupted" in out


@pytest.mark.parametrize("name", Config.model_fields)
def test_every_setting_has_an_option(run: Run, name: str):
    text, value = another(name)
    code, out, err = run("tournament", "--print-config", f"--{name.replace('_', '-')}", text)
    assert (code, err) == (0, "")
    assert tomllib.loads(out) == settings().model_dump(mode="json") | {name: value}


def test_printed_settings_read_back_the_same_and_options_go_over_the_file(run: Run, tmp_path: Path):
    chosen = Config(agents=("foic:N=1,M=2", 'quo"te\\'), seed=7, data="cafe\u0301 \U0001f600")
    file = tmp_path / "settings.toml"
    file.write_text(as_toml(chosen), encoding="utf-8")
    assert settings(file) == chosen
    _, out, _ = run("tournament", "--config", file, "--print-config", "--seed", "8")
    assert tomllib.loads(out) == chosen.model_dump(mode="json") | {"seed": 8}


def test_the_default_folder_is_the_same_for_the_same_settings_alone():
    assert default_out(Config()) == default_out(Config())
    assert default_out(Config()) != default_out(Config(seed=1))
    assert default_out(Config()).parent == Path("results")


def test_an_unknown_setting_in_a_file_is_refused_with_the_nearest_name(run: Run, tmp_path: Path):
    file = tmp_path / "settings.toml"
    file.write_text("episode_minute = 5\n")
    code, out, err = run("tournament", "--config", file)
    assert (code, out) == (2, "")
    assert "unknown setting 'episode_minute'; did you mean 'episode_minutes'?" in err
    assert "Traceback" not in err


def test_a_bad_value_an_unknown_option_and_an_unknown_command_are_wrong_use(run: Run):
    code, _, err = run("tournament", "--impact", "kep")
    assert code == 2
    assert "did you mean 'keep'?" in err
    code, _, err = run("tournament", "--sed", "1")
    assert code == 2
    assert "--sed" in err
    assert run("tournamant")[0] == 2


def test_data_that_is_not_there_is_told_without_a_traceback(run: Run, tmp_path: Path):
    for arguments in (["tournament", "--data", tmp_path / "no"], ["report", tmp_path / "no"]):
        code, out, err = run(*arguments)
        assert (code, out) == (2, "")
        assert err.startswith("lobarena: ")
        assert str(tmp_path / "no") in err


def test_an_error_that_nobody_expected_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tournament, "run", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["tournament", "--out", str(tmp_path)])


def test_ctrl_c_says_how_to_go_on_and_leaves_with_130(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tournament, "run", interrupted)
    code, out, err = run("tournament", "--out", tmp_path)
    assert (code, out) == (130, "")
    assert err.endswith("stopped; the same command resumes\n")


def test_the_first_use_says_that_it_compiles(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tournament, "run", lambda _, out, **__: make_run(out))
    monkeypatch.setenv("LOBARENA_CACHE", str(tmp_path / "empty"))
    assert "compiling" in run("tournament", "--out", tmp_path / "run")[2]


def test_a_report_comes_from_the_folder_alone_and_says_where_it_lies(run: Run, tmp_path: Path):
    folder = make_run(tmp_path / "run")
    code, out, err = run("report", folder)
    assert (code, err) == (0, "")
    assert out.splitlines()[-1] == f"report: {folder / 'report.html'}"
    assert "glft" in out
    assert "<html" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_numbers_of_a_report_go_to_a_file_or_alone_to_stdout(run: Run, tmp_path: Path):
    folder = make_run(tmp_path / "run")
    code, out, err = run("report", folder, "--html", tmp_path / "page.html", "--json", "-")
    assert code == 0
    assert err == f"report: {tmp_path / 'page.html'}\n"
    assert run("report", folder, "--json", tmp_path / "numbers.json")[0] == 0
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert json.loads(out) == numbers
    assert {row["agent"] for row in numbers["leaderboard"]} == {"foic", "glft", "ppo"}


def test_numbers_that_cannot_be_written_are_told_without_a_traceback(run: Run, tmp_path: Path):
    code, _, err = run("report", make_run(tmp_path / "run"), "--json", tmp_path / "no" / "numbers.json")
    assert code == 2
    assert "No such file or directory" in err


def test_agents_are_listed_with_their_parameters(run: Run):
    code, out, _ = run("agents")
    assert code == 0
    assert "avellaneda-stoikov" in out
    rows = {row["name"]: row for row in json.loads(run("agents", "--json", "-")[1])["agents"]}
    assert rows["foic"]["class"] == "lobarena.agents.foic:Foic"
    assert rows["foic"]["about"]
    assert {"N", "M"} <= set(rows["foic"]["parameters"])


def test_recordings_are_stored_and_listed(run: Run, tmp_path: Path):
    file, catalogue = best(tmp_path), tmp_path / "catalogue"
    code, out, err = run("data", "import", file, "--catalogue", catalogue)
    assert (code, err) == (0, "")
    assert "RB1805" in out
    listed = json.loads(run("data", "list", "--catalogue", catalogue, "--json", "-")[1])["days"]
    assert [(row["contract"], row["day"], row["source"]) for row in listed] == [("RB1805", "2017-11-13", file.name)]
    assert Path(listed[0]["file"]).is_file()
    assert "2017-11-13" in run("data", "list", "--catalogue", catalogue)[1]


def test_a_file_that_fails_leaves_the_others_alone_and_names_the_option(run: Run, tmp_path: Path):
    nameless = best(tmp_path, name="ticks.csv")
    code, out, err = run("data", "import", nameless, best(tmp_path), "--catalogue", tmp_path / "catalogue")
    assert code == 2
    assert "RB1805" in out
    assert "ticks.csv" in err
    assert "--day" in err


def test_a_day_that_is_stored_with_other_rows_is_replaced_only_when_asked(run: Run, tmp_path: Path):
    catalogue = tmp_path / "catalogue"
    run("data", "import", best(tmp_path), "--catalogue", catalogue)
    file = best(tmp_path, rows=BEST_ROWS[:3])
    code, _, err = run("data", "import", file, "--catalogue", catalogue)
    assert code == 2
    assert "--overwrite" in err
    assert run("data", "import", file, "--catalogue", catalogue, "--overwrite")[0] == 0


def test_a_check_fails_when_rows_must_be_kept_apart(run: Run, tmp_path: Path):
    good, bad = best(tmp_path), best(tmp_path, rows=BEST_ROWS, name="rb1805_20171114.csv")
    assert run("data", "check", good)[0] == 0
    assert run("data", "check", good, "--strict")[0] == 1
    code, out, _ = run("data", "check", good, bad, "--json", "-")
    assert code == 1
    found = json.loads(out)
    assert not found["passed"]
    row = next(row for row in found["findings"] if row["action"] == "quarantined")
    assert (row["file"], row["kind"], row["count"], row["first_row"]) == (str(bad), "outside the sessions", 1, 4)
    assert run("data", "check", tmp_path / "none.csv")[0] == 2


def test_a_contract_and_a_column_map_of_the_user_are_read(run: Run, tmp_path: Path):
    contract = tmp_path / "contract.toml"
    contract.write_text("code = 'XY'\n")
    code, _, err = run("data", "check", best(tmp_path), "--contract", contract)
    assert code == 2
    assert "contract.toml" in err
    columns = tmp_path / "columns.toml"
    columns.write_text("time = 'ts'\n")
    code, _, err = run("data", "check", best(tmp_path), "--columns", columns)
    assert code == 2
    assert "columns.toml" in err


def test_synthetic_days_become_a_catalogue(run: Run, tmp_path: Path):
    out = tmp_path / "made"
    code, _, err = run("data", "synth", "--out", out, "--codes", "RB", "--days", "1", "--seed", "3", "--json", "-")
    assert code == 0, err
    listed = json.loads(run("data", "list", "--catalogue", out, "--json", "-")[1])["days"]
    assert [row["contract"] for row in listed] == ["RBSYN"]
    code, _, err = run("data", "synth", "--out", out, "--codes", "RBX")
    assert code == 2
    assert "RB" in err


def test_control_characters_of_a_file_do_not_reach_the_terminal(run: Run, tmp_path: Path):
    evil = tmp_path / "evil.csv"
    evil.write_text("time,\033[2Jbid\n1,2\n")
    code, out, err = run("data", "check", evil)
    assert code == 2
    assert "\033" not in out + err
    assert "\\x1b[2Jbid" in err
    assert plain("a\nb\x9b\u202e") == "a\nb\\x9b\\u202e"


def test_an_interrupted_tournament_resumes_to_the_same_bytes(tmp_path: Path):
    command = [sys.executable, "-c", "from lobarena.cli import main; main()", "tournament", *SMALL, "--seed", "5"]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    done = subprocess.run([*command, "--out", whole], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"report: {whole / 'report.html'}"
    assert (whole / "report.html").stat().st_size > 100_000

    running = subprocess.Popen(
        [*command, "--out", broken, "--processes", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while running.poll() is None and not list((broken / "parts").glob("[!.]*")):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate()
    assert running.returncode == 130, err
    assert "stopped; the same command resumes" in err
    parts = list((broken / "parts").glob("[!.]*"))
    assert 0 < len(parts) < EPISODES

    done = subprocess.run([*command, "--out", broken], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in (whole, broken))
    assert first["digests"] == second["digests"]


def test_a_comma_belongs_to_the_agent_when_a_name_and_a_sign_follow():
    text = "llm:every=5,endpoint=http://h:1/v1@per-token:prefill=2000,decode=40,foic@zero,foic:N=1,M=2,glft"
    assert _value("agents", text) == (
        "llm:every=5,endpoint=http://h:1/v1@per-token:prefill=2000,decode=40",
        *("foic@zero", "foic:N=1,M=2", "glft"),
    )
