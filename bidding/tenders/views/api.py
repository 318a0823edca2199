"""Calls for programs, first half: from the notice to the bid."""

from typing import Any

from flask import Response, g, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from bidding.tenders import awards, documents, notices, registration, submission, uploads
from bidding.tenders.bids import Bid, Registration
from bidding.tenders.models import Document, DocumentKind, State, Tender
from bidding.tenders.views import files, listing
from bidding.tenders.views.doors import api, from_base64, held, mine, seen
from ca.parties import Person, RoleHeld
from ca.rights import Role, allow, public
from storage.forms import When, Yuan

PAGE = 50


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TermsIn(Strict):
    """What the procuring entity decides before the notice."""

    name: str = Field(min_length=1, max_length=120)
    description: str = Field("", max_length=10_000)
    budget: Yuan
    ceiling_price: Yuan | None = None
    deposit_amount: Yuan
    submission_deadline: When
    unlock_until: When
    release_until: When
    holders: list[int] = Field(min_length=4, max_length=9, description="person ids; the procuring entity's first")
    threshold: int = Field(3, ge=2, le=7)
    method: str = Field("comprehensive", max_length=40)
    evaluation: dict[str, Any] = Field(default_factory=dict, description="parameters of the method, for the panel")

    def terms(self) -> notices.Terms:
        """As the act takes them."""
        return notices.Terms(**{name: getattr(self, name) for name in type(self).model_fields})


class TenderOut(BaseModel):
    id: int
    number: str
    name: str
    description: str
    procuring_entity: str
    procuring_entity_code: str
    region: str | None
    state: State
    profile: str
    method: str
    evaluation: dict[str, Any]
    budget: Yuan
    ceiling_price: Yuan | None
    deposit_amount: Yuan
    published_at: When | None
    submission_deadline: When
    unlock_until: When
    release_until: When
    standstill_until: When | None
    opening: str | None = Field(description="name of the opening, as price.json must have it")
    params: str | None = Field(description="canonical text of the sealing parameters")
    params_hash: str | None
    lot: str
    reason: str | None
    documents: list[dict[str, Any]]


class TenderList(BaseModel):
    tenders: list[TenderOut]
    page: int


class TenderQuery(BaseModel):
    q: str = Field("", max_length=80)
    state: State | None = None
    page: int = Field(1, ge=1, le=100_000)


class DocumentQuery(BaseModel):
    name: str = Field(max_length=200)
    kind: DocumentKind = DocumentKind.BIDDING_DOCUMENTS


class DocumentOut(BaseModel):
    id: int
    name: str
    kind: DocumentKind
    size: int
    sha256: str


class HolderList(BaseModel):
    holders: list[dict[str, Any]]


class Reason(Strict):
    reason: str = Field(min_length=1, max_length=500)


class RegistrationOut(BaseModel):
    registration: str
    lot: str
    bidder: str
    opening: str
    next_seq: int = Field(description="a new version's number must be at least this")
    sub_account: str
    deposit_amount: Yuan


class HandIn(Strict):
    upload: str = Field(max_length=36, description="id of a finished upload")
    signature: str = Field(max_length=100_000, description="detached CMS over the sealed file, Base64")


class BidOut(BaseModel):
    id: str
    state: str
    seq: int | None
    digest: str
    size: int
    received_at: When
    refused_code: str | None
    refused: str | None = Field(description="what the code means")
    verdict: dict[str, Any] | None
    receipt: dict[str, Any] | None


class BidList(BaseModel):
    bids: list[BidOut]


@api.get("")
@public
@api.input(TenderQuery, location="query", arg_name="query")
@api.output(TenderList)
def tenders(query: TenderQuery):
    """Published tenders, newest first."""
    found = listing.published(g.db, listing.Search(query.q, query.state), page=query.page, size=PAGE)
    return {"tenders": [told(tender) for tender in found], "page": query.page}


@api.get("/holders")
@allow(Role.PROCURING_ENTITY)
@api.output(HolderList)
def holders():
    """Who may be chosen as a key holder."""
    people = g.db.scalars(
        select(Person).join(RoleHeld).where(RoleHeld.role == Role.KEY_HOLDER, Person.is_active).order_by(Person.id)
    )
    return {
        "holders": [
            {
                "id": person.id, "name": person.name, "organisation": person.organisation.name,
                "is_own": person.organisation_id == g.actor.organisation_id,
            }
            for person in people if person.organisation
        ]
    }  # fmt: skip


@api.post("")
@allow(Role.PROCURING_ENTITY)
@api.input(TermsIn, arg_name="body")
@api.output(TenderOut, status_code=201)
def draft(body: TermsIn):
    """Begin a tender."""
    return told(notices.draft(g.db, body.terms(), by=g.actor))


@api.get("/<int:tender_id>")
@public
@api.output(TenderOut)
def show(tender_id: int):
    """One tender."""
    return told(seen(tender_id))


@api.put("/<int:tender_id>")
@allow(Role.PROCURING_ENTITY)
@api.input(TermsIn, arg_name="body")
@api.output(TenderOut)
def edit(tender_id: int, body: TermsIn):
    """Change a draft."""
    return told(notices.edit(g.db, mine(tender_id), body.terms(), by=g.actor))


@api.post("/<int:tender_id>/documents")
@allow(Role.PROCURING_ENTITY)
@api.input(DocumentQuery, location="query", arg_name="query")
@api.output(DocumentOut, status_code=201)
def add_document(tender_id: int, query: DocumentQuery):
    """Add a file: its bytes are the body of the request."""
    request.max_content_length = documents.LARGEST
    document = documents.add(
        g.db, g.objects, mine(tender_id), query.kind, query.name, request.stream, by=g.actor
    )
    return _document(document)


@api.get("/<int:tender_id>/documents/<int:document_id>")
@public
def document(tender_id: int, document_id: int) -> Response:
    """Read a file; free, for everybody, not counted."""
    return files.document(documents.seen(g.db, seen(tender_id), document_id))


@api.post("/<int:tender_id>/publication")
@allow(Role.PROCURING_ENTITY)
@api.output(TenderOut)
def publish(tender_id: int):
    """Ask the key holders to join; the notice goes out when all have."""
    return told(notices.publish(g.db, mine(tender_id), by=g.actor))


@api.post("/<int:tender_id>/cancellation")
@allow(Role.PROCURING_ENTITY)
@api.input(Reason, arg_name="body")
@api.output(TenderOut)
def cancel(tender_id: int, body: Reason):
    """Call a tender off."""
    return told(awards.cancel(g.db, mine(tender_id), body.reason, by=g.actor))


@api.post("/<int:tender_id>/registration")
@allow(Role.BIDDER)
@api.output(RegistrationOut)
def register(tender_id: int):
    """Register, and learn where to pay the deposit; again: the same answer."""
    return _registration(registration.register(g.db, seen(tender_id), by=g.actor))


@api.get("/<int:tender_id>/registration")
@allow(Role.BIDDER)
@api.output(RegistrationOut)
def my_registration(tender_id: int):
    """One's own registration."""
    return _registration(held(seen(tender_id)))


@api.get("/<int:tender_id>/bids")
@allow(Role.BIDDER)
@api.output(BidList)
def my_bids(tender_id: int):
    """One's own versions, the latest first; never anybody else's."""
    return {"bids": [bid_told(bid) for bid in submission.versions(g.db, held(seen(tender_id)))]}


@api.post("/<int:tender_id>/bids")
@allow(Role.BIDDER)
@api.input(HandIn, arg_name="body")
@api.output(BidOut, status_code=202)
def hand_in(tender_id: int, body: HandIn):
    """Hand in a finished upload with its signature; ask for the bid until it is no longer `verifying`."""
    held(seen(tender_id))
    upload = uploads.mine(g.db, _uuid(body.upload), g.actor)
    return bid_told(
        submission.hand_in(g.db, upload, from_base64(body.signature), by=g.actor, address=request.remote_addr)
    )


@api.get("/bids/<uuid:bid_id>")
@allow(Role.BIDDER)
@api.output(BidOut)
def bid(bid_id: object):
    """One's own bid, with its receipt."""
    return bid_told(submission.mine(g.db, bid_id, g.actor))


@api.post("/bids/<uuid:bid_id>/withdrawal")
@allow(Role.BIDDER)
@api.output(BidOut)
def withdraw(bid_id: object):
    """Withdraw before the deadline."""
    return bid_told(submission.withdraw(g.db, submission.mine(g.db, bid_id, g.actor), by=g.actor))


def told(tender: Tender) -> dict[str, Any]:
    """A tender as everybody may see it."""
    opening = tender.opening if tender.published_at is not None else None
    return {
        **{
            name: getattr(tender, name)
            for name in (
                "id", "number", "name", "description", "state", "profile", "method", "evaluation", "budget",
                "deposit_amount", "published_at", "submission_deadline", "unlock_until", "release_until",
                "standstill_until", "params_hash", "reason",
            )
        },
        "procuring_entity": tender.procuring_entity.name,
        "procuring_entity_code": tender.procuring_entity.credit_code,
        "region": tender.region.name if tender.region else None, "ceiling_price": tender.lot.ceiling_price,
        "opening": opening.name if opening else None, "params": opening.params if opening else None,
        "lot": str(tender.lot.number), "documents": [_document(document) for document in tender.documents],
    }  # fmt: skip


def bid_told(bid: Bid) -> dict[str, Any]:
    """A bid as its bidder may see it."""
    return {
        "id": str(bid.id), "state": bid.state.value, "seq": bid.seq, "digest": bid.digest, "size": bid.size,
        "received_at": bid.received_at, "refused_code": bid.refused_code, "refused": submission.why(bid.refused_code),
        "verdict": bid.verdict, "receipt": bid.receipt,
    }  # fmt: skip


def _registration(held: Registration) -> dict[str, Any]:
    assert held.tender.opening is not None
    return {
        "registration": str(held.id), "lot": str(held.lot.number), "bidder": held.bidder.credit_code,
        "opening": held.tender.opening.name, "next_seq": held.last_seq + 1, "sub_account": held.sub_account,
        "deposit_amount": held.tender.deposit_amount,
    }  # fmt: skip


def _document(document: Document) -> dict[str, Any]:
    return {name: getattr(document, name) for name in ("id", "name", "kind", "size", "sha256")}


def _uuid(text: str) -> Any:
    import uuid

    try:
        return uuid.UUID(text.rstrip("/").rpartition("/")[2])
    except ValueError:
        raise uploads.NotFound from None
