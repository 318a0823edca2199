"""证据: what a stranger needs to repeat the opening and the award, and where it is kept.

The transcript (`ca.sealing.transcript`) is built once, when the last bid is judged, and kept in the store;
`gongheng bid open --transcript DIR --files DIR` repeats it off line. Sealed files and opened bids belong to
those entitled to the bids: their digests are public, they themselves are listed apart.
"""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.tenders import awards, contracts, documents, hall, opening, rules
from bidding.tenders.bids import Bid
from bidding.tenders.models import State, Tender
from ca import openings
from ca.ecdsa import PlatformKey
from ca.sealing.holder import Join
from ca.sealing.transcript import BidVerdict, build
from storage.objects import KeyTaken, Store
from storage.refusals import NotFound

TRANSCRIBED = frozenset(
    {State.OPENED, State.EVALUATED, State.STANDSTILL, State.AWARDED, State.CONTRACTED, State.FAILED, State.CANCELLED}
)


def transcript_key(tender: Tender) -> str:
    """Where the transcript is kept."""
    return f"tenders/{tender.id}/transcript-{tender.rounds}.json"


def keep_transcript(db: Session, store: Store, tender: Tender, key: PlatformKey) -> str:
    """Build the transcript and keep it; its SHA-256. Made once: after a crash the first one stands."""
    name = transcript_key(tender)
    try:
        return store.put(name, _transcript(db, tender, key), media_type="application/json").sha256
    except KeyTaken:
        return store.stat(name).sha256


def transcript(store: Store, tender: Tender) -> bytes:
    """The transcript's bytes; there is none before the opening is over."""
    if tender.close is None or tender.state not in TRANSCRIBED:
        raise NotFound(what="开标记录包")
    with store.open(transcript_key(tender)) as file:
        return file.read()


def evidence(db: Session, store: Store, tender: Tender) -> dict[str, Any]:
    """Public facts (JSON-able), the objects that belong to them, and apart what only the entitled may have.

    objects, restricted: {name in the bundle: key in the store}. Nothing of a blind tender but its notice.
    """
    objects = {
        f"documents/{number:02d}-{document.sha256[:16]}": document.object_key
        for number, document in enumerate(documents.of(db, tender), 1)
    }
    facts = _notice(db, tender)
    restricted: dict[str, str] = {}
    if not tender.is_blind and tender.freeze is not None:
        facts |= _opening(db, tender)
        restricted = _restricted(db, tender)
    if tender.close is not None and tender.state in TRANSCRIBED:
        objects["transcript.json"] = transcript_key(tender)
    return {"kind": "tender", "file": tender.file, "facts": facts, "objects": objects, "restricted": restricted}


def _transcript(db: Session, tender: Tender, key: PlatformKey) -> bytes:
    assert tender.opening is not None
    assert tender.close is not None
    bids = opening.listed(db, tender, *opening.SHOWN)
    return build(
        tender.params,
        joins={
            seat.holder: Join(*(bytes.fromhex(text or "") for text in (seat.pk, seat.sig_pk, seat.join, seat.ready)))
            for seat in tender.opening.seats
        },
        freeze=[opening.entry(bid) for bid in bids],
        unlocks={bid.digest: bid.kb for bid in bids if bid.kb is not None},
        close=bytes.fromhex(tender.close["signature"]),
        releases=_releases(tender.opening),
        bids=[
            BidVerdict(bid.digest, bid.result or "", bid.culprit or "", bid.plaintext_sha256 or "") for bid in bids
        ],
        key=key,
    )  # fmt: skip


def _releases(one: openings.Opening) -> list[tuple[str, bytes, bytes]]:
    """Every release, in order of arrival; the false ones too, for they name who lied."""
    true = sorted((seat for seat in one.seats if seat.key is not None), key=lambda seat: (seat.released_at, seat.place))
    found = [
        (seat.holder, bytes.fromhex(false["key"]), bytes.fromhex(false["signature"]))
        for seat in one.seats for false in seat.false_keys or []
    ]  # fmt: skip
    return found + [
        (seat.holder, bytes.fromhex(seat.key or ""), bytes.fromhex(seat.release_signature or "")) for seat in true
    ]


def _notice(db: Session, tender: Tender) -> dict[str, Any]:
    return _plain(
        {
            "number": tender.number, "name": tender.name, "state": tender.state.value, "reason": tender.reason,
            "procuring_entity": tender.procuring_entity.name,
            "procuring_entity_code": tender.procuring_entity.credit_code,
            "profile": tender.profile, "method": tender.method, "budget": str(tender.budget),
            "ceiling_price": str(tender.lot.ceiling_price) if tender.lot.ceiling_price else None,
            "deposit_amount": str(tender.deposit_amount), "published_at": tender.published_at,
            "submission_deadline": tender.submission_deadline, "unlock_until": tender.unlock_until,
            "release_until": tender.release_until, "params_hash": tender.params_hash,
            "rules": [_rule(rule) for rule in tender.rules.rules.values()],
            "documents": [
                {"name": one.name, "kind": one.kind.value, "size": one.size, "sha256": one.sha256}
                for one in documents.of(db, tender)
            ],
        }
    )  # fmt: skip


def _opening(db: Session, tender: Tender) -> dict[str, Any]:
    bids = opening.listed(db, tender, *opening.SHOWN)
    told: dict[str, Any] = {
        "freeze": tender.freeze, "freeze_root": tender.freeze_root, "unlock_root": tender.unlock_root,
        "frozen_list": [opening.entry(bid) for bid in bids],
        "leaves": sorted(bid.receipt["content"]["leaf"] for bid in bids if bid.receipt),
        "close": tender.close,
    }  # fmt: skip
    if tender.opened_at is not None:
        told["opening_record"] = hall.record(db, tender)
    if tender.ranking is not None and tender.standstill_until is not None:
        told |= {
            "ranking": tender.ranking, "report": tender.report, "reported_at": tender.reported_at,
            "standstill_until": tender.standstill_until,
        }  # fmt: skip
    won, contract = awards.winner(db, tender), contracts.of(db, tender)
    if won is not None:
        told["award"] = {
            "bidder": won.bidder.credit_code, "name": won.bidder.name, "price": str(won.price), "digest": won.digest,
            "awarded_at": tender.awarded_at,
        }  # fmt: skip
    if contract is not None:
        told["contract"] = {
            "terms_sha256": contract.terms_sha256, "price": str(contract.price), "state": contract.state.value,
            "buyer_signed_at": contract.buyer_signed_at, "supplier_signed_at": contract.supplier_signed_at,
        }  # fmt: skip
    return _plain(told)


def _restricted(db: Session, tender: Tender) -> dict[str, str]:
    found = {}
    for bid in db.scalars(select(Bid).where(Bid.tender_id == tender.id, Bid.state.in_(opening.SHOWN))):
        if bid.object_key is not None:
            found[f"sealed/{bid.digest}"] = bid.object_key
        if bid.plaintext_key is not None:
            found[f"opened/{bid.digest}.asice"] = bid.plaintext_key
    return found


def _rule(rule: rules.Rule) -> dict[str, Any]:
    return {"id": rule.id, "source": rule.source, "value": rule.value, "unit": rule.unit.value}


def _plain(told: Any) -> Any:
    """As JSON has it; what is not known is left out."""
    if isinstance(told, dict):
        return {name: _plain(value) for name, value in told.items() if value is not None}
    if isinstance(told, list | tuple):
        return [_plain(value) for value in told]
    if hasattr(told, "isoformat"):
        return told.isoformat()
    return told if isinstance(told, str | int) else str(told)
