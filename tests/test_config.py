import pytest

from lobarena.benchmarks.config import Config, ConfigError, settings


def test_options_go_over_the_file_and_the_file_over_the_defaults(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text('seed = 3\nagents = ["foic"]\n')
    config = settings(path, {"seed": 7, "rotations": None})
    assert (config.seed, config.agents, config.rotations) == (7, ("foic",), Config().rotations)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sede = 3", "unknown setting 'sede'; did you mean 'seed'"),
        ('tracks = ["sol"]', r"tracks is 'sol'; did you mean 'solo'\? One of solo, arena"),
        ('cancel_model = "prorata"', "did you mean 'pro rata'"),
        ("seed = -1", "seed is -1: input should be greater than or equal to 0"),
        ('agents = ["foic", "foic"]', "names something twice"),
        ('days = ["2024-01-02"]', "is not a day; write YYYYMMDD"),
        ('decision_latency = "recorded"', "give recorded_from"),
        ("seed = [", "not a readable TOML file"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_nearest_valid_name(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        settings(path)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.toml: no such settings file"):
        settings(tmp_path / "none.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not a readable TOML file"):
        settings(tmp_path / "x.toml")
