"""A stage for the evaluation room: an opened tender, a library of experts, holders with their keys."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest

from ca import canonical, openings
from ca.ecdsa import Key
from ca.rights import Role
from ca.sealing import box, messages
from ca.tagged import H
from evaluation import experts, report, scores, sessions
from evaluation.models import ExpertDraw, ExpertKind, Seat, Session
from storage import clock
from storage.values import Money
from tests.bidding.tenders.conftest import cas, recognised, stage  # noqa: F401
from tests.bidding.tenders.test_awards import money, opened  # noqa: F401

EVALUATION = {
    "parameters": {"price_points": "30", "places": 2, "drop_extremes": 0},
    "criteria": [
        {"id": "plan", "name": "技术方案", "max": "50", "kind": "subjective"},
        {"id": "record", "name": "业绩", "max": "20", "kind": "objective"},
    ],
}


@dataclass
class Room:
    """Everything an evaluation's story needs."""

    stage: object
    tender: object
    bids: list
    centre: object
    supervisor: object
    entity: object
    keys: dict = field(default_factory=dict)

    @property
    def db(self):
        return self.stage.db

    @property
    def equipment(self):
        return SimpleNamespace(
            platform_key=self.stage.key, settings=SimpleNamespace(keys_folder=self.stage.folder / "keys")
        )

    @property
    def ids(self) -> set[UUID]:
        return {bid.id for bid in self.bids}

    @property
    def opened(self) -> list:
        return [SimpleNamespace(bid_id=bid.id, name=bid.bidder.name, price=bid.price) for bid in self.bids]

    def expert(self, kind=ExpertKind.TECHNICAL, specialities=("道路",), employer=None):
        person = self.stage.person("专家", Role.EXPERT)
        return experts.enrol(self.db, person, kind, specialities, employer=employer, by=self.centre)

    def session(self, places: int = 5) -> Session:
        return sessions.convene(
            self.db, self.tender, places=places, planned_at=clock.database(self.db), main_venue="第一评标室",
            by=self.centre,
        )  # fmt: skip

    def requested(self, session: Session) -> ExpertDraw:
        closes = clock.database(self.db) + timedelta(seconds=60)
        return experts.request(self.db, session, specialities=["道路"], closes_at=closes, by=self.centre)

    def announced(self, session: Session) -> ExpertDraw:
        draw = self.requested(session)
        base = draw.opening.base
        for seat in draw.opening.seats:
            key, sig = self.keys.setdefault((draw.id, seat.place), (Key.make(), Key.make()))
            openings.join(
                self.db, draw.opening, pk=key.public.hex(), sig=sig.public.hex(),
                join=sig.sign(messages.join(base, key.public, sig.public)).hex(),
                ready=key.sign(messages.ready(base)).hex(), by=seat.person.actor,
            )  # fmt: skip
        openings.settle(self.db, draw.opening.id)
        self.settle(draw)
        return draw

    def settle(self, draw: ExpertDraw) -> None:
        assert draw.id in experts.due(self.db)
        experts.settle(self.db, draw.id, self.equipment)

    def contribute(self, draw: ExpertDraw, by, label: str, seq: int = 1) -> None:
        experts.contribute(self.db, draw, box.contribute(experts.params_of(draw), label, seq).box.hex(), by=by)

    def closed(self, draw: ExpertDraw) -> ExpertDraw:
        self.contribute(draw, self.entity, experts.ENTITY)
        self.contribute(draw, self.supervisor, experts.SUPERVISOR)
        self.stage.at(draw.opening.deadline)
        self.settle(draw)
        return draw

    def released(self, draw: ExpertDraw, places=(0, 2)) -> ExpertDraw:
        pc = H("pool", canonical.encode(canonical.decode(draw.pool.encode())))
        for place in places:
            key, sig = self.keys[draw.id, place]
            openings.release(
                self.db, draw.opening, key=key.scalar.hex(), signature=sig.sign(H("release", pc)).hex(),
                by=draw.opening.seats[place].person.actor,
            )  # fmt: skip
        self.settle(draw)
        return draw

    def seated(self) -> Session:
        session = self.session()
        self.released(self.closed(self.announced(session)))
        return session

    def running(self) -> Session:
        session = self.seated()
        for seat in session.members:
            sessions.check_in(self.db, session, undertakes=True, by=seat.expert.person.actor)
        for seat in session.members:
            if session.leader is None:
                sessions.elect(self.db, session, number=1, by=seat.expert.person.actor)
        return sessions.open_(self.db, session, by=session.leader.expert.person.actor)

    def fill_in(self, session: Session, seat: Seat, plan: str = "40", record: str = "15") -> None:
        by = seat.expert.person.actor
        for number, bid in enumerate(self.bids):
            scores.review(self.db, session, bid.id, passes=True, reason="", bids=self.ids, by=by)
            values = {"plan": str(int(plan) - number), "record": record}
            scores.give(self.db, session, bid.id, values, bids=self.ids, by=by)

    def handed_in(self) -> Session:
        session = self.running()
        for seat in session.members:
            self.fill_in(session, seat)
            scores.hand_in(self.db, session, bids=self.ids, by=seat.expert.person.actor)
        return session

    def signing(self) -> Session:
        session = self.handed_in()
        report.compile_(self.db, session, bids=self.opened, by=session.leader.expert.person.actor)
        return session


@pytest.fixture
def room(stage, opened):  # noqa: F811
    tender, buyer, bids = opened
    tender.evaluation, tender.method = EVALUATION, "comprehensive"
    supervisor = stage.supervisor()
    room = Room(
        stage, tender, bids, stage.person("中心", Role.CENTRE_STAFF).actor, supervisor.actor, buyer.actor
    )
    for _ in range(7):
        room.expert()
    return room


__all__ = ["Money"]
