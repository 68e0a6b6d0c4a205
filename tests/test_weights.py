"""Files of weights: round trips to the byte, and files that come from anyone."""

import json
import struct
import zipfile
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lobarena.agents import weight_file
from lobarena.agents.weight_file import Card, WeightsError, read, replace_bytes, write

CARD = Card(
    "ppo", ("levels", "inventory"), 0, 22, True, "offsets", "pnl", {"alpha": 1e-3}, 7, 1_000, 12.5, "ab", "train"
)
ARRAYS = {"0.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "0.bias": np.zeros(2, np.float32)}


@pytest.fixture
def path(tmp_path):
    return write(tmp_path / "weights.safetensors", ARRAYS, CARD)


def raw(tmp_path, header, body=b""):
    """A file with this header, text or JSON."""
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    text += b" " * (-len(text) % 8)
    return replace_bytes(tmp_path / "raw.safetensors", struct.pack("<Q", len(text)) + text + body)


def test_what_is_written_is_read_again(path):
    arrays, card = read(path, "ppo")
    assert card == CARD
    assert {name: array.tolist() for name, array in arrays.items()} == {n: a.tolist() for n, a in ARRAYS.items()}
    assert all(array.dtype == ARRAYS[name].dtype and array.flags.writeable for name, array in arrays.items())


def test_the_same_weights_are_the_same_bytes_in_any_order(tmp_path, path):
    turned = write(tmp_path / "turned.safetensors", dict(reversed(ARRAYS.items())), CARD)
    assert turned.read_bytes() == path.read_bytes()


def test_single_numbers_keep_their_shape(tmp_path):
    path = write(tmp_path / "w.safetensors", {"steps": np.array(3)}, CARD)
    assert read(path)[0]["steps"].shape == ()


def test_a_transposed_array_is_stored_as_it_looks(tmp_path):
    turned = np.arange(6, dtype=np.float32).reshape(2, 3).T
    path = write(tmp_path / "w.safetensors", {"w": turned}, CARD)
    assert read(path)[0]["w"].tolist() == turned.tolist()


def test_weights_of_another_learner_are_named(path):
    with pytest.raises(WeightsError, match=r"weights\.safetensors: weights of 'ppo', not of 'sac'"):
        read(path, "sac")


def test_a_file_that_is_not_there_names_the_command(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.safetensors: cannot be read .*lobarena train"):
        read(tmp_path / "none.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    path = write(tmp_path / "w.safetensors", {"a": np.ones(2), "b": np.array([1.0, value])}, CARD)
    with pytest.raises(WeightsError, match="'b' holds NaN or infinity"):
        read(path)


@pytest.mark.parametrize("suffix", [".zip", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin"])
def test_formats_that_can_hold_code_are_never_opened(tmp_path, suffix):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    with pytest.raises(WeightsError, match=r"can hold code.*stable_weights ARCHIVE"):
        read(path)


def test_a_pickle_or_archive_under_our_name_is_no_safetensors_file(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch /tmp/owned'\ntR.")
    with pytest.raises(WeightsError, match="no safetensors file"):
        read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("policy.pth", b"x")
    with pytest.raises(WeightsError, match="no safetensors file"):
        read(path)


def test_a_large_file_is_refused_unread(tmp_path, path, monkeypatch):
    monkeypatch.setattr(weight_file.Path, "read_bytes", lambda self: pytest.fail("it was read"))
    with path.open("r+b") as file:
        file.truncate(weight_file.LARGEST + 1)  # a hole: it takes no room on the disk
    with pytest.raises(WeightsError, match="67,108,865 bytes, at most 67,108,864"):
        read(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format 2, this lobarena reads 1; upgrade"),
        ({"format": None}, "format None"),
        ({"seed": "7"}, "seed is '7'"),
        ({"seed": True}, "seed is 'True'"),
        ({"normalise": 1}, "normalise is '1'"),
        ({"observation": "levels"}, "observation is 'levels'"),
        ({"observation": ["levels", 3]}, "observation holds names that are no text"),
        ({"hyperparameters": []}, "hyperparameters is"),
        ({"pnlmap": "much"}, "pnlmap is 'much'"),
        ({"surprise": 1}, "with unknown surprise"),
    ],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, path, change, message):
    header = path.read_bytes()
    about = json.loads(json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]["lobarena"])
    with pytest.raises(WeightsError, match=message):
        read(write(tmp_path / "w.safetensors", ARRAYS, about | change))


def test_a_description_without_a_key_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="without action, data"):
        read(write(tmp_path / "w.safetensors", ARRAYS, {"format": 1, "learner": "ppo", "command": ""}))


def test_a_validation_result_that_is_no_number_is_neither_written_nor_read(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write(tmp_path / "w.safetensors", ARRAYS, replace(CARD, pnlmap=float("nan")))
    path = write(tmp_path / "w.safetensors", ARRAYS, CARD)
    path.write_bytes(path.read_bytes().replace(b"12.5", b" NaN"))
    with pytest.raises(WeightsError, match="PnLMAP is nan"):
        read(path)


TENSOR = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        ({"a": TENSOR}, bytes(8), "not of lobarena"),
        ({"__metadata__": {"format": "pt"}, "a": TENSOR}, bytes(8), "not of lobarena"),
        ({"__metadata__": {"lobarena": "{"}}, b"", "description is damaged"),
        ({"__metadata__": {"lobarena": "[1]"}}, b"", "description is no table"),
        ({"__metadata__": {"lobarena": "[" * 100_000}}, b"", "description is damaged"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR}, bytes(4), "damaged"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR | {"shape": [3]}}, bytes(8), "damaged"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR | {"shape": [2**62, 4]}}, bytes(8), "damaged"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR | {"data_offsets": [-8, 0]}}, bytes(8), "damaged"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR | {"data_offsets": [0, 2**60]}}, bytes(8), "damaged"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR | {"dtype": "BF16"}}, bytes(8), "numbers of type BF16"),
        ({"__metadata__": {"lobarena": "{}"}, "a": TENSOR | {"dtype": 5}}, bytes(8), "numbers of type 5"),
        ({"__metadata__": {"lobarena": "{}"}, "a": 5}, b"", "header is damaged"),
        ({"__metadata__": 5}, b"", "header is damaged"),
        ("[" * 100_000, b"", "no safetensors file"),
        ('{"a": ' + "[" * 100_000, b"", "header is damaged"),
    ],
)
def test_a_hostile_header_is_told_and_goes_nowhere(tmp_path, header, body, message):
    with pytest.raises(WeightsError, match=message):
        read(raw(tmp_path, header, body))


def test_a_header_that_claims_to_be_huge_is_refused(tmp_path, path):
    path.write_bytes(struct.pack("<Q", 2**63) + path.read_bytes()[8:])
    with pytest.raises(WeightsError, match="no safetensors file"):
        read(path)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 10_000), byte=st.integers(0, 255), length=st.integers(0, 10_000))
def test_damage_anywhere_is_a_weights_error_or_harmless(tmp_path_factory, place, byte, length):
    path = write(tmp_path_factory.mktemp("damage") / "w.safetensors", ARRAYS, CARD)
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content[: length % len(content) if length % 3 == 0 else len(content)])
    with suppress(WeightsError):
        arrays, card = read(path)
        assert isinstance(card, Card)
        assert all(np.isfinite(array).all() for array in arrays.values())


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path, path, monkeypatch):
    before = path.read_bytes()

    def full(_handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(weight_file.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(path, ARRAYS, replace(CARD, seed=8))
    assert path.read_bytes() == before
