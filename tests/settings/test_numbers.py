"""Numbers are read as they were meant, or not at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdlora.settings.numbers import plain_number


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("0,003", "0.003"), ("1e-4", "1e-4"), ("5,5e-5", "5.5e-5"), (" 7 ", "7"), (",5", ".5"), ("-0,5", "-0.5"),
     ("1.234,5", "1234.5"), ("1,234.5", "1234.5"), ("1 234,5", "1234.5"), ("1'234", "1234"), ("1,234,567", "1234567"),
     ("1.234.567", "1234567"), ("1,5", "1.5"), ("1,500", "1.500"), ("０．００１", "0.001"), ("0，5", "0.5"),
     ("\u22121", "-1"), ("12\u202f000", "12000")],
)  # fmt: skip
def test_a_number_is_read_as_its_country_writes_it(typed, meant):
    assert plain_number(typed) == meant


@pytest.mark.parametrize(
    ("typed", "meant"), [("1,000", "1000"), ("1.000", "1000"), ("12 000", "12000"), ("2,5", "2.5")]
)
def test_a_whole_number_has_thousands(typed, meant):
    assert plain_number(typed, whole=True) == meant


@pytest.mark.parametrize(
    "typed", ["", "many", "1,2,3", "1,2.3,4", "0 5", "1..2", "1,,2", "12,34.5", "1.2.3", "0x10", "1/2"]
)
def test_what_is_no_number_stays_for_the_check_to_refuse(typed):
    assert plain_number(typed) == typed


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_python_writes_is_read_back(value):
    assert float(plain_number(repr(value))) == value
    assert float(plain_number(repr(value).replace(".", ","))) == value


@given(st.integers(-(2**70), 2**70))
def test_thousands_with_any_sign_between_them_are_the_same_number(value):
    for separator in (",", ".", " ", "'", "\u00a0"):
        assert int(plain_number(f"{value:,}".replace(",", separator), whole=True)) == value
