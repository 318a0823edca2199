"""The methods are exact, do not care about the order of anything, and say what is wrong."""

import json
import re
from copy import deepcopy
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.methods import METHODS, comprehensive, recompute
from evaluation.methods.figures import exact, rounded, spoken

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs/formulas.md").read_text()
EXAMPLES = [json.loads(text) for text in re.findall(r"```json example\n(.*?)```", DOCUMENT, re.S)]
SHEET = EXAMPLES[0]["sheet"]


def changed(**changes):
    sheet = deepcopy(SHEET)
    sheet.update(changes)
    return sheet


def test_every_method_has_a_worked_example():
    assert {example["sheet"]["method"] for example in EXAMPLES} >= set(METHODS)


def test_the_worked_example_of_comprehensive_scoring():
    result = recompute(SHEET)

    assert result["benchmark"] == EXAMPLES[0]["result"]["benchmark"]
    assert {
        line["bid"]: [line["price_score"], line["quality_score"], line["total"], line["place"]] for line in result["ranking"]
    } == EXAMPLES[0]["result"]["totals"]


def test_the_worked_example_of_lowest_price():
    result = recompute(EXAMPLES[1]["sheet"])

    assert {line["bid"]: line["place"] for line in result["ranking"]} == EXAMPLES[1]["result"]["places"]
    assert result["rejected"] == {"C": "未按要求签章"}


@given(st.randoms())
def test_the_order_of_bids_members_and_criteria_does_not_matter(chance):
    sheet = deepcopy(SHEET)
    for name in ("bids", "members", "criteria"):
        chance.shuffle(sheet[name])

    assert recompute(sheet) == recompute(SHEET)


@given(st.fractions(min_value=0, max_value=10**6), st.integers(0, 6))
def test_rounding_is_half_up_and_never_further_than_half_a_step(number, places):
    near = rounded(number, places)

    assert abs(near - number) <= Fraction(1, 2 * 10**places)
    assert near - number != Fraction(-1, 2 * 10**places), "a half goes up"
    assert exact(spoken(near, places)) == near


@given(st.decimals(min_value=0, max_value=10**9, places=4))
def test_rounding_agrees_with_decimal_half_up(number):
    assert rounded(Fraction(number), 2) == Fraction(number.quantize(Decimal("0.01"), "ROUND_HALF_UP"))


@given(st.lists(st.integers(1, 10**11), min_size=2, max_size=8, unique=True))
def test_a_lower_price_never_scores_less(prices):
    sheet = changed(bids=[{"id": f"b{n}", "price": spoken(Fraction(fen, 100), 2), "deduction": "0"} for n, fen in enumerate(prices)])
    sheet["scores"] = {bid["id"]: SHEET["scores"]["A"] for bid in sheet["bids"]}
    lines = sorted(recompute(sheet)["ranking"], key=lambda line: exact(line["evaluated_price"]))

    scores = [exact(line["price_score"]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 30
    assert [line["bid"] for line in lines] == [line["bid"] for line in recompute(sheet)["ranking"]]


def test_a_rejected_bid_does_not_make_the_benchmark():
    sheet = changed(rejected={"C": "报价明显低于成本"})

    assert recompute(sheet)["benchmark"] == "900000.00"
    assert [line["bid"] for line in recompute(sheet)["ranking"]] == ["A", "B"]


def twins(drawn):
    sheet = changed(drawn=drawn)
    sheet["bids"][1] = sheet["bids"][0] | {"id": "B"}
    sheet["scores"]["B"] = sheet["scores"]["A"]
    return sheet


def test_equal_bids_share_a_place_until_drawn():
    assert [(line["bid"], line["place"], line["tied"]) for line in recompute(twins({}))["ranking"]] == [
        ("A", 1, True), ("B", 1, True), ("C", 3, False),
    ]  # fmt: skip
    assert [(line["bid"], line["place"]) for line in recompute(twins({"tie/1": ["B", "A"]}))["ranking"]][:2] == [
        ("B", 1), ("A", 2),
    ]  # fmt: skip


def spoil(change):
    sheet = deepcopy(SHEET)
    change(sheet)
    return sheet


@pytest.mark.parametrize(("change", "said"), [
    (lambda s: s["parameters"].update(price_points="31"), "add up to 100"),
    (lambda s: s["scores"]["A"]["m1"].update(plan="50.01"), "more than plan allows"),
    (lambda s: s["scores"]["A"]["m1"].pop("plan"), "every criterion"),
    (lambda s: s["scores"].pop("B"), "every criterion"),
    (lambda s: s["members"].append("m9"), "every criterion"),
    (lambda s: s["scores"]["A"]["m1"].update(plan="-1"), "not a decimal"),
    (lambda s: s["scores"]["A"]["m1"].update(plan=1.5), "not a decimal"),
    (lambda s: s["bids"][0].update(price="1e6"), "not a decimal"),
    (lambda s: s["bids"][0].update(price="0"), "price of nothing"),
    (lambda s: s["bids"][0].update(deduction="101"), "over 100"),
    (lambda s: s["parameters"].update(drop_extremes=2), "too few members"),
    (lambda s: s.update(method="guess"), "unknown method"),
])  # fmt: skip
def test_one_wrong_thing_is_said(change, said):
    with pytest.raises(ValueError, match=said):
        recompute(spoil(change))


def test_a_draw_among_others_is_refused():
    with pytest.raises(ValueError, match="not among the tied"):
        recompute(twins({"tie/1": ["B", "C"]}))


def test_dropping_the_extremes():
    sheet = spoil(lambda s: s["parameters"].update(drop_extremes=1))
    line = next(line for line in recompute(sheet)["ranking"] if line["bid"] == "A")

    assert line["quality_score"] == "64.50"


def test_differing_objective_scores_are_shown():
    sheet = spoil(lambda s: s["scores"]["B"]["m2"].update(record="14"))

    assert comprehensive.differing_objectives(sheet) == [("B", "record")]
