"""Lowest evaluated price 最低评标价法.

Law: 政府采购货物和服务招标投标管理办法 (财政部令第87号) art. 54, 56 – among the bids that meet every
substantial requirement, rank by evaluated price from low to high; equal prices stand side by side.

Sheet: as for comprehensive scoring, without criteria, members and scores.
"""

from typing import Any

from evaluation.methods.comprehensive import FEN_PLACES, evaluated_price
from evaluation.methods.figures import exact, ranked, spoken

NAME = "lowest_evaluated_price"


def evaluate(sheet: dict[str, Any]) -> dict[str, Any]:
    """The ranking by evaluated price. `ValueError` says what is wrong."""
    results = [
        {"bid": bid["id"], "evaluated_price": spoken(evaluated_price(bid), FEN_PLACES)}
        for bid in sheet["bids"]
        if bid["id"] not in sheet["rejected"]
    ]
    ranking = ranked(results, lambda result: exact(result["evaluated_price"]), sheet["drawn"])
    return {"method": NAME, "ranking": ranking, "rejected": dict(sorted(sheet["rejected"].items()))}
