"""Sub-account numbers: random, checked, found in whatever a payer and a bank make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from escrow import numbers

NUMBER = "8801" + "0" * 13 + numbers.check_digit("8801" + "0" * 13)


def test_numbers_are_ours_and_never_the_same():
    drawn = {numbers.draw() for _ in range(500)}

    assert len(drawn) == 500
    assert all(numbers.is_ours(one) for one in drawn)


@given(place=st.integers(0, 17), digit=st.integers(1, 9))
def test_one_wrong_digit_is_never_one_of_ours(place, digit):
    wrong = NUMBER[:place] + str((int(NUMBER[place]) + digit) % 10) + NUMBER[place + 1 :]

    assert not numbers.is_ours(wrong)


@given(cut=st.integers(1, 17), gap=st.sampled_from(["\n", " ", "-", " \n "]))
def test_a_number_cut_in_two_is_found(cut, gap):
    assert numbers.found_in(f"保证金 {NUMBER[:cut]}{gap}{NUMBER[cut:]} 请查收") == [NUMBER]


@pytest.mark.parametrize("text", ["", "投标保证金", "880112345", "²²²²", "１２３４", "8" * 200])
def test_what_is_no_number_is_not_found(text):
    assert numbers.found_in(text) == []


def test_two_numbers_are_two():
    other = numbers.draw()

    assert set(numbers.found_in(NUMBER, other)) == {NUMBER, other}
