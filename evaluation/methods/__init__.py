"""Evaluation methods 评标办法: one pure file each. Plain data in, plain data out, exact arithmetic throughout.

A method reads a *sheet* – bids, prices, criteria, scores, parameters, all numbers as decimal strings – and
gives the result that the law's formula asks for. The same sheet gives the same result on any machine, so the
sheet is the recomputation bundle: `recompute` repeats what the panel's system computed.
"""

from collections.abc import Callable
from typing import Any

from evaluation.methods import comprehensive, lowest_evaluated_price

METHODS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    comprehensive.NAME: comprehensive.evaluate,
    lowest_evaluated_price.NAME: lowest_evaluated_price.evaluate,
}
METHOD_NAMES = {comprehensive.NAME: "综合评分法", lowest_evaluated_price.NAME: "最低评标价法"}


def recompute(sheet: dict[str, Any]) -> dict[str, Any]:
    """The result of a sheet. Raises `ValueError` with what is wrong when it cannot be computed."""
    method = METHODS.get(str(sheet.get("method")))
    if method is None:
        raise ValueError(f"unknown method {sheet.get('method')!r}")
    return method(sheet)
