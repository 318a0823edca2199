"""Comprehensive scoring 综合评分法.

Law: 政府采购货物和服务招标投标管理办法 (财政部令第87号) art. 55 – the price score is
``benchmark ÷ evaluated price × 100 × weight`` with the lowest evaluated price of the qualifying bids as the
benchmark, no highest or lowest price dropped; the total is Σ Fᵢ×Aᵢ; art. 57 – rank by total, then by price,
then side by side.

Sheet::

    {"method": "comprehensive", "version": 1,
     "parameters": {"price_points": "30", "places": 2, "drop_extremes": 0},
     "criteria": [{"id": "plan", "max": "40", "kind": "subjective"|"objective"}, …],
     "members": ["m1", …],
     "bids": [{"id": "b1", "price": "980000.00", "deduction": "0"}, …],      deduction in per cent, for evaluation only
     "rejected": {"b9": "reason", …},
     "scores": {"b1": {"m1": {"plan": "35.5", …}, …}, …},
     "drawn": {"tie/1": ["b2", "b1"]}}

Points of price and criteria add up to 100. Moments of rounding, half up to `places`: the evaluated price (to
fen), the price score, and each bid's mean over the members. Totals are sums of rounded numbers and are not
rounded again.
"""

from fractions import Fraction
from typing import Any

from evaluation.methods.figures import exact, ranked, rounded, spoken

NAME = "comprehensive"
HUNDRED = Fraction(100)
FEN_PLACES = 2


def evaluate(sheet: dict[str, Any]) -> dict[str, Any]:
    """Every bid's price score, quality score and total, and the ranking. `ValueError` says what is wrong."""
    places = sheet["parameters"]["places"]
    points = exact(sheet["parameters"]["price_points"])
    criteria = {criterion["id"]: exact(criterion["max"]) for criterion in sheet["criteria"]}
    if points + sum(criteria.values()) != HUNDRED:
        raise ValueError("the points of price and criteria do not add up to 100")
    bids = [bid for bid in sheet["bids"] if bid["id"] not in sheet["rejected"]]
    prices = {bid["id"]: evaluated_price(bid) for bid in bids}
    if any(price <= 0 for price in prices.values()):
        raise ValueError("a price of nothing cannot be scored")
    benchmark = min(prices.values(), default=None)
    results = []
    for bid in bids:
        price = prices[bid["id"]]
        assert benchmark is not None
        price_score = rounded(benchmark / price * points, places)
        quality = rounded(mean(sheet, bid["id"], criteria), places)
        results.append({
            "bid": bid["id"],
            "evaluated_price": spoken(price, FEN_PLACES),
            "price_score": spoken(price_score, places),
            "quality_score": spoken(quality, places),
            "total": spoken(price_score + quality, places),
        })  # fmt: skip
    ranking = ranked(
        results, lambda result: (-exact(result["total"]), exact(result["evaluated_price"])), sheet["drawn"]
    )
    return {
        "method": NAME,
        "benchmark": None if benchmark is None else spoken(benchmark, FEN_PLACES),
        "ranking": ranking,
        "rejected": dict(sorted(sheet["rejected"].items())),
    }


def evaluated_price(bid: dict[str, Any]) -> Fraction:
    """The price used for scoring: bid price less the policy's deduction (财库〔2020〕46号 art. 9), to the fen."""
    deduction = exact(bid["deduction"])
    if deduction > HUNDRED:
        raise ValueError(f"{bid['id']}: a deduction over 100 per cent")
    return rounded(exact(bid["price"]) * (HUNDRED - deduction) / HUNDRED, FEN_PLACES)


def mean(sheet: dict[str, Any], bid: str, criteria: dict[str, Fraction]) -> Fraction:
    """The mean over the members of their sums for one bid, every score given and within its range.

    `drop_extremes` highest and as many lowest sums are left out first, where the documents say so.
    """
    sums = []
    for member in sheet["members"]:
        given = sheet["scores"].get(bid, {}).get(member, {})
        if set(given) != set(criteria):
            raise ValueError(f"{bid}: {member} has not scored every criterion")
        for criterion, score in given.items():
            if exact(score) > criteria[criterion]:
                raise ValueError(f"{bid}: {member} gave more than {criterion} allows")
        sums.append(sum((exact(score) for score in given.values()), Fraction(0)))
    drop = sheet["parameters"]["drop_extremes"]
    if len(sums) <= 2 * drop:
        raise ValueError("too few members to drop the extremes")
    kept = sorted(sums)[drop : len(sums) - drop]
    return sum(kept, Fraction(0)) / len(kept)


def differing_objectives(sheet: dict[str, Any]) -> list[tuple[str, str]]:
    """(bid, criterion) where members differ on an objective item: 87号令 art. 64 (3) lets the panel correct that."""
    objective = [criterion["id"] for criterion in sheet["criteria"] if criterion["kind"] == "objective"]
    return [
        (bid, criterion)
        for bid, by_member in sorted(sheet["scores"].items())
        for criterion in objective
        if len({exact(given[criterion]) for given in by_member.values() if criterion in given}) > 1
    ]
