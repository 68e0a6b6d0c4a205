from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lobarena.data.contracts import CONTRACTS, Fee, Session, contract, contract_from, load_contract

OWN = """
code = "XY"
exchange = "MINE"
tick = "0.25"
multiplier = 20
margin = 0.1
daily_limit = 0.05
timezone = "America/Chicago"
[fees]
by = "lot"
open = 1.5
close = 1.5
close_today = 0.0
[[sessions]]
start = "17:00"
end = "16:00"
night = true
"""


@pytest.mark.parametrize("symbol", ["rb1805", "RB1901", "RB", "rb"])
def test_the_letters_name_the_product(symbol: str) -> None:
    found = contract(symbol)
    assert (found.code, found.exchange, found.symbol) == ("RB", "SHFE", symbol.upper())


def test_the_table_holds_the_twelve_products() -> None:
    assert set(CONTRACTS) == {"FU", "RB", "CU", "AG", "NI", "ZN", "RU", "I", "CF", "RM", "IF", "T"}
    by_value = {10: "FU RB NI RM", 15: "AG", 25: "ZN CF", 50: "CU RU I T", 60: "IF"}
    assert {code: one.tick_value for code, one in CONTRACTS.items()} == {
        code: value for value, codes in by_value.items() for code in codes.split()
    }


@pytest.mark.parametrize("symbol", ["rbb1805", "", "SHFE.rb1805", "RB18051"])
def test_an_unknown_symbol_names_the_nearest_product_and_the_way_out(symbol: str) -> None:
    with pytest.raises(ValueError, match=r"nearest known product is [A-Z]+ .*load_contract\(path\)"):
        contract(symbol)


def test_both_sides_were_counted_before_2020_but_not_at_cffex() -> None:
    assert contract("RB").counted_twice(date(2019, 12, 31))
    assert not contract("RB").counted_twice(date(2020, 1, 1))
    assert not contract("IF").counted_twice(date(2017, 1, 3))


def test_hours_follow_the_day() -> None:
    ends = [contract("I").sessions_on(day)[0].end for day in (date(2019, 3, 28), date(2019, 3, 29))]
    starts = [contract("T").sessions_on(day)[0].start for day in (date(2020, 7, 17), date(2020, 7, 20))]
    assert ends == ["23:30", "23:00"]
    assert starts == ["09:15", "09:30"]


def test_dust_is_on_the_tick_and_half_ticks_are_not() -> None:
    index = contract("IF")
    prices = np.array([5806.400000000001, 4821.4, 5806.3, np.nan, np.inf, 1e300])
    assert index.off_tick(prices).tolist() == [False, False, True, True, True, True]
    assert index.to_ticks(prices[:2]).tolist() == [29032, 24107]


@pytest.mark.parametrize("price", [np.nan, -np.inf, 1e15])
def test_a_price_beyond_32_bit_ticks_is_refused_not_wrapped(price: float) -> None:
    with pytest.raises(ValueError, match="no number of ticks within 32 bits"):
        contract("RB").to_ticks(np.array([price]))


@given(st.sampled_from(sorted(CONTRACTS)), st.integers(1, 10_000_000))
def test_every_tick_comes_back_from_its_price(code: str, ticks: int) -> None:
    one = CONTRACTS[code]
    price = np.array([float(ticks * one.tick)])
    assert one.to_ticks(price)[0] == ticks
    assert not one.off_tick(price)[0]
    assert one.off_tick(price + one.tick_size / 2)[0]


def test_a_toml_file_makes_a_contract(tmp_path: Path) -> None:
    (tmp_path / "xy.toml").write_text(OWN)
    own = load_contract(tmp_path / "xy.toml")
    assert own.tick == Decimal("0.25")
    assert own.tick_value == 5.0
    assert own.fees == Fee("lot", 1.5, 1.5, 0.0)
    assert own.sessions == (Session("17:00", "16:00", True),)
    assert own.symbol == own.name == "XY"


@pytest.mark.parametrize("code", sorted(CONTRACTS))
def test_plain_values_make_the_same_contract(code: str) -> None:
    assert contract_from(CONTRACTS[code].to_dict()) == CONTRACTS[code]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("exchange =", "exchnge =", "unknown key exchnge; did you mean exchange"),
        ("multiplier = 20\n", "", "key multiplier is missing"),
        ("multiplier = 20", "multiplier = 2.5", "multiplier is 2.5; give a whole number"),
        ('tick = "0.25"', 'tick = "a"', "tick is 'a'; give the smallest price step"),
        ('tick = "0.25"', "tick = 0", "tick is Decimal"),
        ("margin = 0.1", "margin = 10", "margin is 10; give a number between 0 and 1"),
        ("margin = 0.1", "margin = nan", "margin is nan"),
        ('by = "lot"', 'by = "trade"', "fees.by is 'trade'"),
        ("open = 1.5", "opening = 1.5", "unknown key fees.opening; did you mean fees.open"),
        ('start = "17:00"', 'start = "5pm"', "session start is '5pm'; write it as"),
        ("America/Chicago", "Chicago", "timezone is 'Chicago'; give an IANA name"),
        ('exchange = "MINE"', 'exchange = "../MINE"', "exchange is '../MINE'; use 1 to 32 letters"),
        ("[fees]", "[fees", "not a readable TOML file"),
    ],
)
def test_a_wrong_toml_file_names_file_key_and_fix(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in OWN
    path = tmp_path / "xy.toml"
    path.write_text(OWN.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"xy\.toml") as caught:
        load_contract(path)
    assert message in str(caught.value)


def test_a_missing_contract_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none.toml: no such contract file"):
        load_contract(tmp_path / "none.toml")


def test_a_contract_without_sessions_is_refused() -> None:
    with pytest.raises(ValueError, match="sessions is empty"):
        replace(contract("RB"), sessions=())
