"""Doors of the key holders 密钥持有人: a page that shows, and the calls by which their programs act."""

from typing import Any

from apiflask import APIBlueprint
from flask import Blueprint, g, render_template
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from ca import openings
from ca.openings import HolderSeat, Opening, State
from ca.rights import Role, allow
from ca.sealing.params import written
from storage.db import find

pages = Blueprint("holder", __name__, url_prefix="/holder", template_folder="../templates")
api = APIBlueprint("holder_api", __name__, url_prefix="/api/holder", tag="密钥持有人 key holder")


class Waiting(BaseModel):
    """One opening in which this holder has something to do."""

    id: int
    name: str
    mode: str
    state: str
    do: str = Field(description="join or release")
    m: int
    place: int = Field(description="this holder's place, from 0")
    holder: str = Field(description="this holder's id in the parameters")
    holders: list[str]
    deadline: str
    unlock_until: str
    release_until: str
    params: str | None = Field(None, description="canonical text, once closed")
    evidence: dict[str, Any] | None = Field(None, description="what the holder's gate must see")


class WaitingList(BaseModel):
    openings: list[Waiting]


class Join(BaseModel):
    """A fresh key for one opening; all bytes in lower-case hex."""

    model_config = ConfigDict(extra="forbid")
    pk: str = Field(max_length=66, description="the opening key, a compressed point of P-256")
    sig: str = Field(max_length=66, description="the signing key, covered by the join")
    join: str = Field(max_length=128, description="signature of the signing key over base, pk and sig")
    ready: str = Field(max_length=128, description="signature of the opening key over base")


class Release(BaseModel):
    """The private key of one opening, signed."""

    model_config = ConfigDict(extra="forbid")
    key: str = Field(max_length=64)
    signature: str = Field(max_length=128)


class Told(BaseModel):
    state: str
    verdict: str


@api.get("/openings")
@allow(Role.KEY_HOLDER)
@api.output(WaitingList)
def waiting():
    """What waits for this holder: openings to join, and openings to release."""
    return {"openings": [_told(opening) for opening in openings.waiting_for(g.db, g.actor)]}


@api.post("/openings/<int:opening_id>/join")
@allow(Role.KEY_HOLDER)
@api.input(Join, arg_name="body")
@api.output(Told)
def join(opening_id: int, body: Join):
    """Take one's seat with a key made for this opening."""
    opening = find(g.db, Opening, opening_id)
    openings.join(g.db, opening, pk=body.pk, sig=body.sig, join=body.join, ready=body.ready, by=g.actor)
    return {"state": opening.state.value, "verdict": "JOINED"}


@api.post("/openings/<int:opening_id>/release")
@allow(Role.KEY_HOLDER)
@api.input(Release, arg_name="body")
@api.output(Told)
def release(opening_id: int, body: Release):
    """Give one's private key of this opening."""
    opening = find(g.db, Opening, opening_id)
    verdict = openings.release(g.db, opening, key=body.key, signature=body.signature, by=g.actor)
    return {"state": opening.state.value, "verdict": verdict.value}


@pages.get("/")
@allow(Role.KEY_HOLDER)
def index():
    """What my program has done and what still waits; the keys themselves stay on the holder's machine."""
    seats = g.db.scalars(
        select(HolderSeat).filter_by(person_id=g.actor.person_id).order_by(HolderSeat.id.desc()).limit(100)
    ).all()
    return render_template("ca/holder.html", seats=seats, State=State)


def _told(opening: Opening) -> dict[str, Any]:
    seat = opening.seat_of(g.actor)
    return {
        "id": opening.id, "name": opening.name, "mode": opening.mode.value, "state": opening.state.value,
        "do": "join" if opening.state is State.JOINING else "release", "m": opening.m, "place": seat.place,
        "holder": seat.holder, "holders": [each.holder for each in opening.seats],
        "deadline": written(opening.deadline), "unlock_until": written(opening.unlock_until),
        "release_until": written(opening.release_until), "params": opening.params,
        "evidence": opening.evidence,
    }  # fmt: skip
