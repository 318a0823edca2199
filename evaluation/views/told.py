"""Sessions, draws, bids and reports as programs are told of them: each asker what he may see."""

from typing import Any

from flask import g
from pydantic import BaseModel, Field

from ca import canonical
from ca.rights import Actor
from evaluation import experts, scores, seeing
from evaluation.bids import OpenedBid
from evaluation.models import ExpertDraw, Report, ReportSignature, Session
from storage.forms import When


class SeatOut(BaseModel):
    number: int
    member: str = Field(description="member-N, as the recording calls the seat")
    name: str | None = Field(description="only for oneself, and among members who have checked in")
    state: str
    venue: str
    is_leader: bool
    has_voted: bool
    handed_in: bool
    signed: bool
    is_me: bool


class DrawOut(BaseModel):
    id: int
    number: int
    opening: str
    opening_state: str
    specialities: list[str]
    places: int
    deadline: When
    params: str | None = Field(description="canonical text of the sealing parameters")
    notice: dict[str, Any] | None
    notice_signatures: dict[str, str] | None
    contributors: list[str]
    contributed: list[str] = Field(description="labels that have sealed a contribution")
    label: str | None = Field(description="as whom the asker may contribute")
    seq: int = Field(description="number of the asker's next contribution")
    pool: dict[str, Any] | None
    seed: str | None
    has_bundle: bool


class SessionOut(BaseModel):
    id: int
    tender: dict[str, Any]
    state: str
    state_name: str
    main_venue: str
    places: int
    planned_at: When
    zero_at: When | None
    finished_at: When | None
    method: str
    parameters: dict[str, Any]
    criteria: list[dict[str, Any]]
    seats: list[SeatOut] | None = Field(description="not for the procuring entity")
    me: int | None = Field(description="number of the asker's seat")
    leader: int | None
    draws: list[int]
    has_report: bool
    recording: str


class SessionList(BaseModel):
    sessions: list[SessionOut]


class BidsOut(BaseModel):
    bids: list[dict[str, Any]]
    criteria: list[dict[str, Any]]


class ScoresOut(BaseModel):
    handed_in: bool
    unfinished: int
    reviews: dict[str, dict[str, Any]]
    scores: dict[str, dict[str, str]]
    all: dict[str, dict[str, dict[str, str]]] | None = Field(description="of every member, once all have handed in")


class ChangeList(BaseModel):
    changes: list[dict[str, Any]]


class ReportOut(BaseModel):
    sheet: dict[str, Any]
    result: dict[str, Any]
    sha256: str
    compiled_at: When
    signatures: list[dict[str, Any]]


class TicketOut(BaseModel):
    token: str
    recorder: str
    session: str
    participant: str


def session(one: Session, actor: Actor) -> dict[str, Any]:
    """A session as this asker may see it."""
    own, panel = seeing.seat(one, actor), seeing.sees_panel(one, actor)
    report = seeing.report(g.db, one, actor)
    signed = {signature.seat_id for signature in report.signatures} if report else set()
    tender = one.tender
    return {
        "id": one.id, "tender": {"id": tender.id, "number": tender.number, "name": tender.name},
        "state": one.state.value, "state_name": one.STATE_NAMES[one.state], "main_venue": one.main_venue,
        "places": one.places, "planned_at": one.planned_at, "zero_at": one.zero_at, "finished_at": one.finished_at,
        "method": tender.method, "parameters": tender.evaluation.get("parameters", {}),
        "criteria": list(scores.criteria(tender).values()),
        "seats": [_seat(one, seat, actor, signed) for seat in one.members] if panel else None,
        "me": own.number if own else None, "leader": one.leader.number if panel and one.leader else None,
        "draws": [draw.id for draw in seeing.draws(g.db, one)] if seeing.may_follow(one, actor) else [],
        "has_report": report is not None, "recording": one.recording,
    }  # fmt: skip


def _seat(one: Session, seat: Any, actor: Actor, signed: set[Any]) -> dict[str, Any]:
    own = seeing.seat(one, actor)
    return {
        "number": seat.number, "member": seat.name, "name": seeing.name_of(one, seat, actor),
        "state": seat.state.value, "venue": seat.venue, "is_leader": seat.is_leader,
        "has_voted": seat.vote_for is not None, "handed_in": seat.submitted_at is not None,
        "signed": seat.id in signed, "is_me": own is not None and own.id == seat.id,
    }  # fmt: skip


def draw(one: ExpertDraw, actor: Actor) -> dict[str, Any]:
    """A draw of experts: what is public of it now."""
    label = experts.label_for(one, actor)
    return {
        "id": one.id, "number": one.number, "opening": one.opening.name, "opening_state": one.opening.state.value,
        "specialities": one.specialities, "places": one.session.places, "deadline": one.opening.deadline,
        "params": one.opening.params, "notice": _decoded(one.notice), "notice_signatures": one.notice_signatures,
        "contributors": list(experts.CONTRIBUTORS), "contributed": sorted(one.contributions), "label": label,
        "seq": experts.seq_of(one, label) + 1 if label else 1, "pool": _decoded(one.pool), "seed": one.seed,
        "has_bundle": one.bundle is not None and seeing.shows_result(one.session),
    }  # fmt: skip


def _decoded(text: str | None) -> dict[str, Any] | None:
    return canonical.decode(text.encode()) if text else None


def bid(one: OpenedBid) -> dict[str, Any]:
    """An opened bid, for the panel."""
    return {
        "id": str(one.bid_id), "bidder": one.name, "price": str(one.price) if one.price else None,
        "fault": one.fault, "documents": [dict(document) for document in one.documents],
    }  # fmt: skip


def sheet(one: Session, actor: Actor, bids: set[Any]) -> dict[str, Any]:
    """A member's own sheet, and everybody's once all have handed in."""
    own = seeing.seat(one, actor)
    mine = seeing.sheet(g.db, own) if own else seeing.Sheet({}, {})
    given: dict[str, dict[str, str]] = {}
    for (bid_id, criterion), value in mine.values.items():
        given.setdefault(str(bid_id), {})[criterion] = value
    return {
        "handed_in": own is not None and own.submitted_at is not None,
        "unfinished": scores.unfinished(g.db, one, own, bids) if own else 0,
        "reviews": {str(key): {"passes": word.passes, "reason": word.reason} for key, word in mine.passes.items()},
        "scores": given,
        "all": _everybody(one) if seeing.sees_scores(one, actor) else None,
    }  # fmt: skip


def _everybody(one: Session) -> dict[str, dict[str, dict[str, str]]]:
    found = seeing.all_scores(g.db, one)
    return {
        str(bid_id): {f"member-{number}": values for number, values in members.items()}
        for bid_id, members in found.items()
    }


def change(line: seeing.ChangeLine) -> dict[str, Any]:
    """A request to change a score."""
    return vars(line) | {
        "bid_id": str(line.bid_id), "state": line.state.value, "asked_at": line.asked_at.isoformat(),
    }  # fmt: skip


def report(one: Report, numbers: dict[Any, int]) -> dict[str, Any]:
    """A report with its signatures."""
    return seeing.plain(one) | {
        "compiled_at": one.compiled_at, "signatures": [_signature(each, numbers) for each in one.signatures],
    }  # fmt: skip


def _signature(one: ReportSignature, numbers: dict[Any, int]) -> dict[str, Any]:
    return {
        "member": f"member-{numbers[one.seat_id]}", "dissent": one.dissent, "at": one.at.isoformat(),
        "statement": one.statement, "signature": one.signature,
    }  # fmt: skip
