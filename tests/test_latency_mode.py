import pytest

from lobarena.benchmarks.config import ConfigError, mode_of, settings
from lobarena.benchmarks.latency_mode import DAY, Mode, duration, parse, split, written


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("0s", 0),
        ("250ns", 250),
        ("100us", 100_000),
        ("10ms", 10**7),
        ("1.5s", 15 * 10**8),
        ("2min", 12 * 10**10),
    ],
)
def test_a_duration_is_read_with_its_unit_and_written_so_that_it_reads_the_same(text, ns):
    assert duration(text) == ns
    assert duration(written(ns)) == ns


@pytest.mark.parametrize("text", ["10", "1e3", "-1ms", "-0.5", "soon", "", "nan", "NaT", "25h", "1e99s", "١ms"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match=r"is no duration.*; write a number with its unit, such as 100us, 10ms"):
        duration(text)


def test_the_longest_duration_is_a_day():
    assert duration("24h") == DAY


@pytest.mark.parametrize(
    "text",
    [
        *("zero", "measured", "recorded", "constant", "constant:time=10ms", "distribution:time=1s,spread=0.25"),
        *("per-token", "per-token:prefill=2000,decode=40", "per-token:prefill=0.1234567,decode=1e+300"),
    ],
)
def test_a_mode_is_written_as_it_is_read(text):
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zro", "no latency mode 'zro'; did you mean 'zero'"),
        ("per token", "did you mean 'per-token'"),
        ("constant:10ms", "'constant' takes time=, not '10ms'"),
        ("measured:time=1s", "'measured' takes nothing, not"),
        ("constant:time=10", "'10' is no duration"),
        ("per-token:prefill=2000", "takes both rates"),
        ("per-token:prefill=0,decode=40", "prefill is '0'; give tokens a second"),
        ("per-token:prefill=2000,decode=nan", "decode is 'nan'"),
        ("per-token:prefill=2000,decode=inf", "decode is 'inf'"),
        ("distribution:spread=-1", "spread is '-1'; give the sd of the log"),
    ],
)
def test_a_mode_that_makes_no_sense_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)
    with pytest.raises(ConfigError, match=message):
        settings(None, {"decision_latency": text})
    with pytest.raises(ConfigError, match=message):
        settings(None, {"agents": (f"foic@{text}",)})


def test_an_agent_may_have_a_mode_of_its_own_and_parameters_with_an_at_sign_too():
    assert split("foic") == ("foic", None)
    assert split("foic@zero") == ("foic", Mode("zero"))
    assert split("foic:N=1,M=2@constant:time=1s") == ("foic:N=1,M=2", Mode("constant", time=10**9))
    assert split("llm:model=/home/me@work/m.gguf") == ("llm:model=/home/me@work/m.gguf", None)
    assert split("llm:model=me@work@measured") == ("llm:model=me@work", Mode("measured"))


def test_the_own_mode_of_an_agent_goes_over_that_of_the_settings():
    config = settings(None, {"agents": ("foic@zero", "glft"), "decision_latency": "measured"})
    assert [mode_of(config, label).kind for label in config.agents] == ["zero", "measured"]
    with pytest.raises(ConfigError, match="give recorded_from"):
        settings(None, {"agents": ("foic@recorded",)})


def test_a_sweep_is_sorted_begins_at_0_and_names_each_latency_once():
    assert settings(None, {"latency_sweep": ("1s", "10ms", "1000ms")}).latency_sweep == ("0", "10ms", "1s")
    assert settings().latency_sweep == ()
    with pytest.raises(ConfigError, match=r"latency_sweep is .*'10' is no duration"):
        settings(None, {"latency_sweep": ("10",)})
