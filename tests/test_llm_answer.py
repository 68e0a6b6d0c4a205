"""What a model may say: three integers in bounds, read strictly, and a grammar that lets nothing else through."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lobarena.agents.llm import grammar
from lobarena.agents.llm.answer import FIELDS, Answer, read, schema, write

NUMBERS = st.builds(Answer, **{name: st.integers(low, high) for name, (low, high) in FIELDS.items()})


@given(NUMBERS)
def test_what_is_written_is_read(answer: Answer):
    assert read(write(answer)) == answer


def test_order_and_white_space_are_free():
    assert read(' {"volume":3,\n"spread" : 2,"move":-1}\n') == Answer(-1, 2, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The price will rise.",
        'Sure! {"move": 1, "spread": 1, "volume": 1}',
        '{"move": 1, "spread": 1}',
        '{"move": 1, "spread": 1, "volume": 1, "position": 9}',
        '{"move": 1, "move": 2, "spread": 1, "volume": 1}',
        '{"move": 1, "spread": -1, "volume": 1}',
        '{"move": 1, "spread": 0, "volume": 1}',
        '{"move": 1, "spread": 1, "volume": 1000000000000000000000000000000}',
        '{"move": 1, "spread": 1, "volume": 1e30}',
        '{"move": 1, "spread": 1, "volume": 1.0}',
        '{"move": NaN, "spread": 1, "volume": 1}',
        '{"move": Infinity, "spread": 1, "volume": 1}',
        '{"move": true, "spread": 1, "volume": 1}',
        '{"move": null, "spread": 1, "volume": 1}',
        '{"move": "1", "spread": 1, "volume": 1}',
        '{"move": [1], "spread": 1, "volume": 1}',
        '{"move": ١, "spread": 1, "volume": 1}',  # Arabic-Indic one
        '{"move": 1, "spread": 1, "volume": ９}',  # full-width nine
        '{"move": 1, "spread": 1, "volume": 1}{}',
        "[1, 1, 1]",
        "[" * 400,
        '{"move": 1, "spread": 1, "volume": ' + "1" * 10_000 + "}",
        "\ud800",
    ],
)
def test_everything_else_is_refused(text: str):
    with pytest.raises(ValueError, match=r"."):
        read(text)


@given(NUMBERS)
def test_every_beginning_of_an_answer_is_viable_and_only_the_whole_is_complete(answer: Answer):
    text = write(answer)
    assert all(grammar.viable(text[:end]) for end in range(len(text) + 1))
    assert [grammar.complete(text[:end]) for end in range(len(text) + 1)] == [False] * len(text) + [True]


@pytest.mark.parametrize(
    "text",
    [
        "x",
        *(f'{{"move": {number}' for number in ("+", "00", "-0", "41", "-41", "1 ", ",", "١")),
        *(f'{{"move": 1, "spread": {number}' for number in ("0", "-", "101")),
        '{"move": 1, "spread": 1, "volume": 100000',
        '{"move": 1, "spread": 1, "volume": 1}}',
    ],
)
def test_what_can_become_no_answer_is_not_viable(text: str):
    assert not grammar.viable(text)


def test_whoever_follows_the_grammar_blindly_arrives_at_an_answer():
    rng = random.Random(1)
    alphabet = [chr(code) for code in range(32, 127)] + ["١", "\n"]
    for _ in range(200):
        text = ""
        while not grammar.complete(text):
            must = grammar.forced(text)
            assert len(text) < 60
            text += must or rng.choice([letter for letter in alphabet if grammar.viable(text + letter)])
        read(text)


def test_what_is_forced_is_the_only_way_on():
    assert grammar.forced("") == '{"move": '
    assert grammar.forced('{"move": 1') == ""
    assert grammar.forced('{"move": 40') == ', "spread": '
    assert grammar.forced('{"move": 4, "spr') == 'ead": '
    assert grammar.forced('{"move": -') == ""


def test_the_schema_has_the_bounds():
    assert schema()["properties"]["spread"] == {"type": "integer", "minimum": 1, "maximum": 100}
