"""回执: what the platform signs for a bidder at once, as proof of what it received and when.

Before the deadline a receipt tells nothing about others: no place, no count. Its salted leaf lets the bidder
find its bid in the list published at the freeze, and nobody else before. The signed bytes are those of
`ca.sealing.messages`; a stranger rebuilds them from `content`.
"""

import hashlib
import os
from typing import Any

from bidding.tenders.bids import Bid
from bidding.tenders.models import Tender
from ca import canonical, receipts
from ca.ecdsa import PlatformKey
from ca.sealing import messages
from ca.sealing.params import written


def of(tender: Tender, bid: Bid, key: PlatformKey) -> dict[str, Any]:
    """The signed receipt of a sealed bid; `salt` is told to the bidder alone."""
    assert tender.params_hash is not None
    assert bid.seq is not None
    assert tender.opening is not None
    salt, file = os.urandom(32), bytes.fromhex(bid.digest)
    leaf = messages.salted_leaf(salt, file)
    place = {"lot": str(bid.lot.number), "bidder": bid.bidder.credit_code, "seq": bid.seq}
    at = written(bid.received_at)
    content = place | {
        "params": tender.params_hash, "digest": bid.digest, "bytes": bid.size, "at": at, "leaf": leaf.hex(),
    }  # fmt: skip
    return receipts.sign("receipt", content, key) | {"salt": salt.hex(), "opening": tender.opening.name}


def of_unlock(tender: Tender, bid: Bid, at: str, key: PlatformKey) -> dict[str, Any]:
    """The signed answer to an unlock whose key fits its commitment."""
    assert tender.params_hash is not None
    return receipts.sign("unlocked", {"params": tender.params_hash, "digest": bid.digest, "at": at}, key)


def of_freeze(tender: Tender, root: str, count: int, at: str, key: PlatformKey) -> dict[str, Any]:
    """The signed freeze of a list."""
    assert tender.params_hash is not None
    return receipts.sign("freeze", {"params": tender.params_hash, "root": root, "count": count, "at": at}, key)


def fingerprint(message: dict[str, Any]) -> str:
    """SHA-256 of a signed message, for the journal."""
    return hashlib.sha256(canonical.encode(message)).hexdigest()
