"""Lines of a market and what a model's layers make of them: causal, and the same however they are asked for."""

from pathlib import Path

import numpy as np
import pytest
import torch
from days import random_recording, recording, shot
from tiny_model import tiny_model

from lobarena.agents.llm.answer import LlmError
from lobarena.agents.llm.prompt import names
from lobarena.agents.teacher import lines as of_lines
from lobarena.agents.teacher.lines import CHUNK, COLUMNS, CONTEXT, lines_of, style
from lobarena.agents.teacher.store import fill
from lobarena.agents.teacher.text import MEAN_LINES, TextDay, TextModel
from lobarena.agents.teacher.text_quench import TextQuench, hooked
from lobarena.agents.windows.looks import looks
from lobarena.sim.feed import feed_of

pytestmark = pytest.mark.kernels


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    return TextModel(tiny_model(tmp_path_factory.mktemp("model"), context=4096))


@pytest.fixture(scope="module")
def day() -> TextDay:
    return TextDay.of(feed_of(random_recording(3, rows=300)))


def quoted(rows: int) -> np.ndarray:
    """(rows,) OBSERVATION with both sides there: without the first look, at the opening."""
    return looks(feed_of(random_recording(5, rows=rows)))[1:]


def test_a_line_tells_a_second_in_whole_ticks_and_lots():
    """09:00:01 is quoted at 999-1001, then buyers lift five lots at 1001 and the bid rises."""
    shots = [
        shot(1000, {999: 4, 998: 9}, {1001: 6, 1002: 9}, volume=10, turnover=10_000, last=1000),
        shot(2000, {999: 6, 998: 9}, {1001: 3, 1002: 9}, volume=12, turnover=12_002, last=1001),
        shot(2500, {1000: 2, 998: 9}, {1001: 1, 1002: 9}, volume=15, turnover=15_005, last=1001),
        shot(4000, {1000: 2, 998: 9}, {1001: 1, 1002: 9}, volume=15, turnover=15_005, last=1001),
    ]
    found = TextDay.of(feed_of(recording(shots))).lines
    told = [dict(zip(COLUMNS, row.tolist(), strict=True)) for row in found.rows]
    assert found.fresh.tolist() == [True, True, False, True]
    assert found.look.tolist() == [1, 3, 3, 4]
    # 999: 4 -> 6 is +2 and 1001: 6 -> 3 is +3; then a bid of 2 at 1000 is +2 and 1001: 3 -> 1 is +2
    assert told[1] == {
        "move": 1, "flow": 9, "trade": 5, "spread": 1, "bid_size": 2, "ask_size": 1, "micro": 2, "volume": 5
    }  # fmt: skip
    assert told[0] | {"micro": -2, "move": 0, "flow": 0, "trade": 0, "volume": 0} == told[0]
    assert told[2] == told[1] | {"move": 0, "flow": 0, "trade": 0, "volume": 0}
    assert style("stream-1").line(found.rows[1]) == "+1 +9 +5 1 2 1 +2 5\n"


def test_a_stream_is_no_prompt_of_the_agent_and_an_unknown_one_lists_those_there_are():
    assert "stream-1" not in names()
    with pytest.raises(LlmError, match="there are stream-1"):
        style("stream-0")


def test_lines_do_not_change_when_what_comes_later_does():
    seen = quoted(120)
    place = np.arange(1, len(seen) + 1)
    whole = lines_of(seen, place)
    for cut in (1, 2, 37, 80):
        part = lines_of(seen[:cut], place[:cut])
        settled = len(part.look) - 1  # the last second may not be over
        np.testing.assert_array_equal(part.rows[:settled], whole.rows[:settled])
        np.testing.assert_array_equal(part.look[:settled], whole.look[:settled])


def test_a_pause_begins_a_run_and_windows_have_enough_lines_before_them():
    seen = quoted(200)
    place = np.concatenate([np.arange(1, 81), [0], np.arange(1, len(seen) - 80)])
    found = lines_of(seen, place)
    windows = found.windows()
    assert not set(windows.tolist()) & set(range(2 * CONTEXT - 2)) | {80} & set(windows.tolist())
    places = found.places(windows)
    assert (places - found.start[places] >= CONTEXT).all()
    assert len(np.unique(found.start)) == 2
    assert (found.look[found.start[places]] >= 81)[windows > 80].all()
    begins = found.chunks(places)
    assert (places - begins >= CONTEXT).all()
    assert (places - begins < CHUNK).all()
    assert set(found.windows(4).tolist()) == {
        int(look) for look in windows if seen["published"][look] // 10**9 % 4 == 0
    }
    with pytest.raises(ValueError, match=r"take them from Lines\.windows"):
        found.places(np.array([0]))


def test_a_day_without_a_readable_look_has_no_windows():
    seen = quoted(20)
    assert len(lines_of(seen, np.zeros(len(seen), np.int64)).windows()) == 0


def test_features_of_a_line_do_not_change_when_later_lines_do(model, day):
    wanted = np.array([CONTEXT, CONTEXT + 5])
    rows = day.lines.rows[:CHUNK].copy()
    before = model._chunk(rows, wanted)
    rows[CONTEXT + 6 :] += 7
    for a, b in zip(before, model._chunk(rows, wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    rows[CONTEXT + 5] += 7
    after = model._chunk(rows, wanted)
    np.testing.assert_allclose(before[0][0], after[0][0], atol=1e-5)
    assert np.abs(before[0][1] - after[0][1]).max() > 0.01


def test_features_equal_those_of_one_window_at_a_time(model, day):
    """Each window's text from the beginning of its chunk, through the whole network, pooled by hand."""
    windows = day.lines.windows()
    found = model.produce(day.lines, windows)
    places = day.lines.places(windows)
    begins = day.lines.chunks(places)
    assert len(np.unique(begins)) > 2
    for k in range(0, len(windows), 9):
        text = [model.style.line(row) for row in day.lines.rows[begins[k] : places[k] + 1]]
        pieces = [model._tokens(model.style.system + "\n"), *map(model._tokens, text)]
        with torch.inference_mode():
            ids = torch.tensor([[token for piece in pieces for token in piece]])
            states = torch.stack(model.decoder(ids, output_hidden_states=True).hidden_states)[:, 0].numpy()
        tail = sum(len(piece) for piece in pieces[-MEAN_LINES:])
        np.testing.assert_allclose(found["last"][k], states[:, -1], atol=1e-4)
        np.testing.assert_allclose(found["mean"][k], states[:, -tail:].mean(axis=1), atol=1e-4)


def test_features_do_not_depend_on_what_else_is_asked_for(model, day):
    windows = day.lines.windows()
    whole = model.produce(day.lines, windows)
    some = np.sort(np.random.default_rng(0).choice(len(windows), 20, replace=False))
    part = model.produce(day.lines, windows[some])
    for name in ("last", "mean"):
        np.testing.assert_allclose(part[name], whole[name][some], atol=1e-4)


def test_a_day_is_stored_once_whatever_its_units(model, day, tmp_path: Path):
    made = day.store(tmp_path, model, 2)
    assert made is not None
    fill(made, lambda rows: model.produce(day.lines, rows))
    again = day.store(tmp_path, model, 2)
    assert again is not None
    assert again.folder == made.folder
    assert not again.missing()
    assert again.hidden("last").shape == (len(day.lines.windows(2)), 3, 16)
    np.testing.assert_allclose(
        again.layer(2, "mean"), model.produce(day.lines, again.rows)["mean"][:, 2], atol=2e-3, rtol=1e-3
    )
    other = day.store(tmp_path, model, 3)
    assert other is not None
    assert other.folder != made.folder


def test_a_context_too_short_for_a_chunk_is_told(tmp_path: Path, day):
    small = TextModel(tiny_model(tmp_path, context=600))
    with pytest.raises(LlmError, match="the model's context is 600"):
        small.produce(day.lines, day.lines.windows())


def test_another_number_format_is_refused(tmp_path: Path):
    with pytest.raises(LlmError, match="choose float32 or bfloat16"):
        TextModel(tmp_path, "float16")


def test_every_stream_there_is_can_be_written():
    for path in of_lines.FOLDER.glob("*.toml"):
        assert style(path.stem).line(np.arange(len(COLUMNS))).endswith("\n")


def test_quenching_replaces_one_state_of_one_window_alone(model, day):
    """Beside a pass over each window's own text in which the last token's state is set by hand."""
    windows = day.lines.windows()
    rows = np.array([3, 50, 7, 100])
    quench = TextQuench(
        model, [day], np.zeros(len(windows), int), windows, lambda states, which: states[:, :2] + which[:, None]
    )
    found = model.produce(day.lines, windows[np.sort(rows)])["last"][np.argsort(np.argsort(rows))]
    np.testing.assert_allclose(quench.states(None, None, rows), found[:, -1], atol=1e-4)
    mean = np.linspace(-1, 1, 16)
    places = day.lines.places(windows)
    begins = day.lines.chunks(places)
    for layer in (2, 0, 1):
        states = quench.states(layer, mean, rows)
        for k, row in enumerate(rows):
            ids, _ = model.tokens(day.lines.rows[begins[row] : places[row] + 1])

            def set_last(module, given, out):
                out = out.clone()
                out[:, -1] = torch.from_numpy(mean)
                return out

            handle = hooked(model.decoder, layer).register_forward_hook(set_last)
            with torch.inference_mode():
                alone = model.decoder(torch.tensor([ids])).last_hidden_state[0, -1].numpy()
            handle.remove()
            np.testing.assert_allclose(states[k], alone, atol=1e-4)
    np.testing.assert_allclose(quench(2, mean, rows), mean[:2] + rows[:, None], atol=1e-6)
