import numpy as np

from lobarena.benchmarks.stream import CHECKSUM, replay, stream


def test_the_published_stream_matches_to_its_checksum():
    messages = stream()
    assert len(messages) == 1_000_000
    assert replay(messages) == CHECKSUM
    kinds = np.bincount(messages["kind"]) / len(messages)
    assert kinds.round(3).tolist() == [0.531, 0.094, 0.376]
