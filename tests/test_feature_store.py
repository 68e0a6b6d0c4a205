"""The feature store goes on where it was stopped, reads what it is asked for, and refuses what is not its own."""

import json
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lobarena.agents.teacher.hidden import Hidden, joined
from lobarena.agents.teacher.shard import StoreError
from lobarena.agents.teacher.store import PLAN, Identity, Store, fill, spread

WHO = Identity("model-a", "stream-1", "day-a", "float32", ("embedding", "layer 1", "layer 2"), 4)
WINDOWS = np.arange(20, 43) * 2  # 23 windows: five shards of five, the last of three


def produce(rows: np.ndarray) -> dict[str, np.ndarray]:
    """States that tell which row, layer and place they are of."""
    value = rows[:, None, None] + np.arange(3)[:, None] / 4 + np.arange(4) / 16
    return {"last": value, "mean": -value}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store", WHO, WINDOWS, 5)


@pytest.fixture
def full(store: Store) -> Store:
    fill(store, produce)
    return store


def test_what_is_read_is_what_was_produced(full):
    again = Store.open(full.folder, WHO)
    assert again.rows.tolist() == WINDOWS.tolist()
    for pooling in ("last", "mean"):
        hidden = again.hidden(pooling)
        expected = produce(WINDOWS)[pooling].astype(np.float16)
        assert hidden.shape == (23, 3, 4)
        assert hidden.dtype == np.float16
        np.testing.assert_array_equal(hidden[:], expected)
        np.testing.assert_array_equal(again.layer(1, pooling), expected[:, 1])


def test_nothing_but_the_asked_rows_and_layers_is_read_and_in_the_order_asked(full):
    hidden, expected = full.hidden("last"), produce(WINDOWS)["last"].astype(np.float16)
    mask = WINDOWS % 3 == 0
    for rows in (slice(3, 18, 4), slice(None, None, -1), mask, np.array([22, 0, 7, 7]), np.array([], int), 4, -1):
        np.testing.assert_array_equal(hidden[rows], expected[rows])
        np.testing.assert_array_equal(hidden[rows, 2], expected[rows, 2])
        np.testing.assert_array_equal(hidden[rows, 1:, :2], expected[rows, 1:, :2])
    both = joined([hidden, Hidden([expected[:2]])])
    np.testing.assert_array_equal(both[22:25, 0], expected[[22, 0, 1], 0])
    with pytest.raises(IndexError):
        hidden[23]
    with pytest.raises(TypeError, match="whole number or a slice"):
        hidden[:, [0, 1]]


def test_a_stopped_filling_goes_on_and_computes_nothing_twice(store):
    asked: list[int] = []

    def stopping(rows: np.ndarray) -> dict[str, np.ndarray]:
        if len(asked) == 5 + 3 + 5:
            raise KeyboardInterrupt
        asked.extend(rows.tolist())
        return produce(rows)

    with pytest.raises(KeyboardInterrupt):
        fill(store, stopping)
    left = store.missing()
    assert len(left) == 2
    told: list[tuple[int, int]] = []
    again = Store.create(store.folder, WHO, WINDOWS, 5)
    fill(again, lambda rows: asked.extend(rows.tolist()) or produce(rows), lambda done, of, _: told.append((done, of)))
    assert sorted(asked) == WINDOWS.tolist()
    assert told == [(3, 5), (4, 5), (5, 5)]
    fill(again, lambda rows: pytest.fail("computed again"))
    np.testing.assert_array_equal(again.hidden("last")[:], produce(WINDOWS)["last"])


def test_half_a_file_left_by_a_kill_is_no_shard(store):
    (store.folder / ".00000.safetensors.part").write_bytes(b"half")
    assert len(store.missing()) == 5
    fill(store, produce)
    assert store.rows.tolist() == WINDOWS.tolist()


def test_a_share_of_a_store_is_spread_over_the_day_and_can_be_used(store):
    fill(store, produce, share=0.4)
    assert store.present == [0, 4]
    assert store.rows.tolist() == [*WINDOWS[:5], *WINDOWS[20:]]
    np.testing.assert_array_equal(store.hidden("mean")[:], produce(store.rows)["mean"])
    assert spread(8)[:4] == [0, 4, 2, 6]
    assert sorted(spread(11)) == list(range(11))


def test_an_empty_store_and_none_say_what_to_do(store, tmp_path: Path):
    with pytest.raises(StoreError, match=r"still empty; fill it, lobarena features"):
        store.hidden("last")
    with pytest.raises(StoreError, match=r"holds no features; fill some, lobarena features"):
        Store.open(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model", "prompt", "data", "settings"])
def test_a_wrong_digest_is_refused_and_both_are_named(full, name):
    other = replace(WHO, **{name: "another"})
    with pytest.raises(StoreError, match=f"of another {name}: {getattr(WHO, name)}, not another"):
        Store.open(full.folder, other)


def test_a_shard_of_another_model_is_refused(full, tmp_path: Path):
    other = Store.create(tmp_path / "other", replace(WHO, model="model-b"), WINDOWS, 5)
    fill(other, produce)
    (full.folder / "00002.safetensors").write_bytes((other.folder / "00002.safetensors").read_bytes())
    with pytest.raises(StoreError, match="of another model: model-b, not model-a"):
        Store.open(full.folder).hidden("last")


def test_a_shard_under_another_number_is_refused(full):
    (full.folder / "00001.safetensors").write_bytes((full.folder / "00002.safetensors").read_bytes())
    with pytest.raises(StoreError, match="another shard than its name says"):
        Store.open(full.folder).hidden("last")


def test_other_windows_in_the_same_folder_are_refused(full):
    with pytest.raises(StoreError, match="other windows"):
        Store.create(full.folder, WHO, WINDOWS[:-1], 5)


def rewritten(path: Path, change) -> None:
    """The file with another header."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


def moved(header):
    header["last"]["data_offsets"], header["mean"]["data_offsets"] = [0, 120], [60, 180]


def test_a_hostile_or_damaged_shard_is_refused(full):
    path = full.folder / "00003.safetensors"
    good = path.read_bytes()

    def refused(match: str) -> None:
        with pytest.raises(StoreError, match=match):
            Store.open(full.folder).hidden("last")
        path.write_bytes(good)

    for content, match in (
        (b"", "no file of a feature store"),
        (good[:-1], "cut off or grown"),
        (good + b"x", "cut off or grown"),
        (good[:-1] + bytes([good[-1] ^ 1]), "its content has another digest"),
        (b"\xff" * 8 + good[8:], "no file of a feature store"),
        (good[:8] + b"[" * (len(good) - 8), "no file of a feature store"),
        (struct.pack("<Q", 2) + b"[]" + good, "no file of a feature store"),
    ):
        path.write_bytes(content)
        refused(match)
    for change, match in (
        (lambda header: header["last"].update(shape=[5, 3, 4_000_000_000]), "delete it and fill again"),
        (lambda header: header["last"].update(dtype="F64"), "last is F64"),
        (lambda header: header["last"].update(data_offsets=[-4, 116]), "does not lie where it must"),
        (lambda header: header["last"].update(data_offsets="x"), "a tensor without a place"),
        (lambda header: header.pop("mean"), "tensors last, row, not last, mean, row"),
        (lambda header: header.update(more=header["row"]), "tensors last, mean, more, row"),
        (moved, "does not lie where it must"),
        (lambda header: header.pop("__metadata__"), "no file of a feature store"),
    ):
        rewritten(path, change)
        refused(match)


def test_a_hostile_plan_is_refused(full):
    path = full.folder / PLAN
    good = path.read_bytes()

    def told(header, **more):
        about = json.loads(header["__metadata__"]["lobarena"])
        header["__metadata__"]["lobarena"] = json.dumps(about | more)

    for more in ({"n": 10**12}, {"size": 0}, {"n": True}, {"of": None}, {"of": {"width": 4}}):
        rewritten(path, lambda header, more=more: told(header, **more))
        with pytest.raises(StoreError, match=r"(windows in shards|does not say what it is of)"):
            Store.open(full.folder)
        path.write_bytes(good)


def test_states_that_float16_cannot_hold_are_refused(store):
    for value in (np.nan, 1e6):
        with pytest.raises(StoreError, match="not finite in float16"):
            store.write(0, {"last": np.full((5, 3, 4), value), "mean": np.zeros((5, 3, 4))})
    with pytest.raises(StoreError, match="has shape"):
        store.write(0, {"last": np.zeros((5, 3, 5)), "mean": np.zeros((5, 3, 4))})
    assert len(store.missing()) == 5
