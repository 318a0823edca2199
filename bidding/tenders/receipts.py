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
from ca import canonical
from ca.ecdsa import PlatformKey
from ca.sealing import messages
from ca.sealing.params import written


def of(tender: Tender, bid: Bid, key: PlatformKey) -> dict[str, Any]:
    """The signed receipt of a sealed bid; `salt` is told to the bidder alone."""
    assert tender.params_hash is not None
    assert bid.seq is not None
    salt, file = os.urandom(32), bytes.fromhex(bid.digest)
    leaf, params = messages.salted_leaf(salt, file), bytes.fromhex(tender.params_hash)
    place = {"lot": str(bid.lot.number), "bidder": bid.bidder.credit_code, "seq": bid.seq}
    at = written(bid.received_at)
    message = messages.receipt(params, **place, digest=file, bytes_=bid.size, at=at, leaf=leaf)
    content = place | {
        "params": tender.params_hash, "digest": bid.digest, "bytes": bid.size, "at": at, "leaf": leaf.hex(),
    }  # fmt: skip
    return _signed("receipt", content, message, key) | {"salt": salt.hex(), "opening": tender.number}


def of_unlock(tender: Tender, bid: Bid, at: str, key: PlatformKey) -> dict[str, Any]:
    """The signed answer to an unlock whose key fits its commitment."""
    assert tender.params_hash is not None
    message = messages.unlocked(bytes.fromhex(tender.params_hash), digest=bytes.fromhex(bid.digest), at=at)
    return _signed("unlocked", {"params": tender.params_hash, "digest": bid.digest, "at": at}, message, key)


def of_freeze(tender: Tender, root: str, count: int, at: str, key: PlatformKey) -> dict[str, Any]:
    """The signed freeze of a list."""
    assert tender.params_hash is not None
    message = messages.freeze(bytes.fromhex(tender.params_hash), root=bytes.fromhex(root), count=count, at=at)
    return _signed("freeze", {"params": tender.params_hash, "root": root, "count": count, "at": at}, message, key)


def fingerprint(message: dict[str, Any]) -> str:
    """SHA-256 of a signed message, for the journal."""
    return hashlib.sha256(canonical.encode(message)).hexdigest()


def _signed(name: str, content: dict[str, Any], message: bytes, key: PlatformKey) -> dict[str, Any]:
    return {"name": name, "content": content, "platform": key.public.hex(), "signature": key.sign(message).hex()}
