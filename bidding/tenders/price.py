"""开标一览表: the one place a bid's price is read from, `price.json` inside the signed container.

Canonical JSON (`ca.canonical`) with at least {opening, lot, bidder, seq, price}; everything else is text the
opening reads out and the panel may score, such as `period` or `quality`. A price in another document never
counts (sealing.md F21).
"""

from dataclasses import dataclass
from typing import Any

from ca import canonical
from ca.canonical import NotCanonical
from storage.values import Money, NotAnAmount

LONGEST = 64 * 1024
NAME = "price.json"


class PriceWrong(Exception):
    """The form is unreadable or belongs to another bid; `code` says which."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class PriceForm:
    """What the form says."""

    price: Money
    fields: dict[str, Any]


def read_price(raw: bytes, *, opening: str, lot: str, bidder: str, seq: int) -> PriceForm:
    """The form for this very bid. Raises PriceWrong."""
    if len(raw) > LONGEST:
        raise PriceWrong("PRICE_UNREADABLE")
    try:
        fields = canonical.decode(raw)
    except NotCanonical:
        raise PriceWrong("PRICE_NOT_CANONICAL") from None
    if not isinstance(fields, dict) or not isinstance(fields.get("price"), str):
        raise PriceWrong("PRICE_UNREADABLE")
    meant = {"opening": opening, "lot": lot, "bidder": bidder, "seq": seq}
    if any(fields.get(name) != value for name, value in meant.items()):
        raise PriceWrong("PRICE_OTHER_CONTEXT")
    try:
        price = Money.yuan(fields["price"])
    except NotAnAmount:
        raise PriceWrong("PRICE_UNREADABLE") from None
    if price.fen <= 0 or str(price) != fields["price"]:
        raise PriceWrong("PRICE_UNREADABLE")
    return PriceForm(price, fields)


def write_price(price: Money, *, opening: str, lot: str, bidder: str, seq: int, **more: str) -> bytes:
    """The form's bytes."""
    fields = {"opening": opening, "lot": lot, "bidder": bidder, "seq": seq, "price": str(price)}
    return canonical.encode(more | fields)
