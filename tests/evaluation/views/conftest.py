"""Doors of the evaluation room, with people who log in."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from ca import openings
from ca.ecdsa import Key
from ca.parties import Person
from ca.sealing import box, messages
from ca.sealing.params import Params
from evaluation import experts
from evaluation.models import ExpertDraw, Session
from storage import clock
from storage.db import find
from tests.evaluation.conftest import Room, cas, money, opened, recognised, room, stage  # noqa: F401


@dataclass
class Doors:
    """Everybody's programs and browsers, over the room's own database."""

    room: Room
    client: Any

    def person(self, actor) -> Person:
        return find(self.room.db, Person, actor.person_id)

    def call(self, method: str, path: str, actor, body=None, status: int | None = None):
        """One call of a program; what it answered."""
        self.room.db.commit()
        answer = self.client.api(method, path, self.person(actor), **({"json": body} if body is not None else {}))
        self.room.db.expire_all()
        if status is not None:
            assert answer.status_code == status, (answer.status_code, answer.get_data(as_text=True)[:600])
        return answer.json if answer.is_json else answer

    def page(self, path: str, actor, data=None, status: int | None = None):
        """One page of a browser, or one form that it posts; its text (or where it leads)."""
        self.room.db.commit()
        self.client.login(self.person(actor))
        answer = self.client.get(path) if data is None else self.client.post(path, data)
        self.room.db.expire_all()
        text = answer.get_data(as_text=True)
        if status is not None:
            assert answer.status_code == status, (answer.status_code, text[:3000])
        return answer.headers["Location"] if answer.status_code == 303 else text

    def in_seconds(self, seconds: int) -> str:
        return (clock.database(self.room.db) + timedelta(seconds=seconds)).isoformat()

    def join(self, draw: ExpertDraw) -> None:
        """The holders' programs join; the notice is announced."""
        base = draw.opening.base
        for seat in draw.opening.seats:
            key, sig = self.room.keys.setdefault((draw.id, seat.place), (Key.make(), Key.make()))
            openings.join(
                self.room.db, draw.opening, pk=key.public.hex(), sig=sig.public.hex(),
                join=sig.sign(messages.join(base, key.public, sig.public)).hex(),
                ready=key.sign(messages.ready(base)).hex(), by=seat.person.actor,
            )  # fmt: skip
        openings.settle(self.room.db, draw.opening.id)
        self.room.settle(draw)

    def contribute(self, draw_id: int, actor) -> dict:
        told = self.call("GET", f"/evaluation/draws/{draw_id}", actor, status=200)
        sealed = box.contribute(Params.read(told["params"].encode()), told["label"], told["seq"]).box.hex()
        return self.call("POST", f"/evaluation/draws/{draw_id}/contributions", actor, {"box": sealed}, 201)

    def drawn(self, draw: ExpertDraw) -> Session:
        self.room.stage.at(draw.opening.deadline)
        self.room.settle(draw)
        self.room.released(draw)
        return draw.session


@pytest.fixture
def doors(room, client) -> Doors:  # noqa: F811
    for number, expert in enumerate(room.db.query(experts.Expert), 1):
        expert.person.name = f"张评委{number:03d}"
    return Doors(room, client)


def who(seat):
    """Whoever sits there."""
    return seat.expert.person.actor

