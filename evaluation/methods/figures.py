"""Figures: exact numbers in, rounded numbers out, at the stated moment and nowhere else."""

import re
from decimal import Decimal
from fractions import Fraction
from typing import Any

DECIMAL = re.compile(r"(0|[1-9][0-9]{0,17})(\.[0-9]{1,10})?")


def exact(text: Any) -> Fraction:
    """A non-negative number from its decimal string; anything else is a `ValueError`."""
    if not isinstance(text, str) or not DECIMAL.fullmatch(text):
        raise ValueError(f"not a decimal number: {text!r}")
    return Fraction(Decimal(text))


def rounded(number: Fraction, places: int) -> Fraction:
    """Half up (四舍五入) to `places` decimals; numbers here are never negative."""
    scale = 10**places
    return Fraction((2 * number.numerator * scale + number.denominator) // (2 * number.denominator), scale)


def spoken(number: Fraction, places: int) -> str:
    """A number that has at most `places` decimals, written with all of them."""
    whole = number * 10**places
    assert whole.denominator == 1, "round before you write"
    digits = f"{whole.numerator:0{places + 1}d}"
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def ranked(results: list[dict[str, Any]], key: Any, drawn: dict[str, list[str]]) -> list[dict[str, Any]]:
    """The results in order, with their places; equal ones stand in the order drawn for them, or share a place.

    `drawn` maps "tie/<place>" to the order of the tied bids' ids, from a draw that was made after the scores
    were signed. Raises `ValueError` when it does not fit the tie.
    """
    ordered = sorted(results, key=lambda result: (key(result), result["bid"]))
    placed: list[dict[str, Any]] = []
    while len(placed) < len(ordered):
        place = len(placed) + 1
        first = ordered[len(placed)]
        group = [result for result in ordered[len(placed) :] if key(result) == key(first)]
        order = drawn.get(f"tie/{place}")
        if len(group) > 1 and order is not None:
            if sorted(order) != sorted(result["bid"] for result in group):
                raise ValueError(f"the draw for tie/{place} is not among the tied bids")
            by_id = {result["bid"]: result for result in group}
            placed += [by_id[bid] | {"place": place + step, "tied": False} for step, bid in enumerate(order)]
        else:
            placed += [result | {"place": place, "tied": len(group) > 1} for result in group]
    return placed
