"""A stage for tenders: parties with certificates, key holders with keys, sealed and signed bids of any kind."""

import io
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from bidding.tenders import (
    bids as _bids,  # noqa: F401 – its tables are made with the template database
)
from bidding.tenders import (
    documents,
    notices,
    opening,
    registration,
    submission,
    unsealing,
    uploads,
)
from bidding.tenders.bids import Bid, Upload
from bidding.tenders.models import DocumentKind, State, Tender
from bidding.tenders.price import write_price
from bidding.tenders.recognised import Recognised
from bidding.tenders.views import api, pages
from ca import asic, openings, parties, signing
from ca.demo_ca import DemoCas, Issued
from ca.ecdsa import Key, PlatformKey
from ca.keys import KeyKind
from ca.rights import Role
from ca.sealing import messages
from ca.sealing.file import Sealed, seal
from storage import clock
from storage.objects import Store
from storage.values import Money, check_character

_numbers = itertools.count(5000)


@pytest.fixture(scope="session")
def cas() -> DemoCas:
    """An RSA, an ECDSA and an SM2 CA."""
    return DemoCas.make()


@pytest.fixture(scope="session")
def recognised(cas: DemoCas) -> Recognised:
    from ca.revocation import as_lists

    return Recognised(cas.trust, tuple(as_lists(cas.lists())))


@dataclass
class Made:
    """What a bidder keeps at home of one sealed bid."""

    file: bytes
    signature: bytes
    sealed: Sealed


@dataclass
class Stage:
    """Everything a tender's story needs, in one hand."""

    db: Session
    store: Store
    folder: Path
    cas: DemoCas
    recognised: Recognised
    key: PlatformKey
    region: parties.Region
    keys: dict[int, dict[int, tuple[Key, Key]]] = field(default_factory=dict)
    certificates: dict[int, Issued] = field(default_factory=dict)

    # parties

    def organisation(self, name: str) -> parties.Organisation:
        body = f"91510000MB{next(_numbers):07d}"
        return parties.add_organisation(self.db, name, body + check_character(body), self.region)

    def person(self, name: str, *roles: Role, organisation: parties.Organisation | None = None) -> parties.Person:
        unit = organisation or self.organisation(name)
        return parties.add_person(self.db, name, f"stage{next(_numbers)}", *roles, organisation=unit)

    def certificate(self, person: parties.Person, kind: KeyKind = KeyKind.ECDSA, **wishes: Any) -> Issued:
        if person.id not in self.certificates:
            unit = person.organisation
            self.certificates[person.id] = self.cas.issue(unit.name, unit.credit_code, kind, **wishes)
        return self.certificates[person.id]

    # a tender

    def buyer(self) -> parties.Person:
        return self.person("招标人", Role.PROCURING_ENTITY, Role.KEY_HOLDER)

    def holders(self, buyer: parties.Person, count: int = 5) -> list[parties.Person]:
        others = [self.person(f"持有人{number}", Role.KEY_HOLDER) for number in range(1, count)]
        return [buyer, *others]

    def terms(self, people: list[parties.Person], **changes: Any) -> notices.Terms:
        start = clock.database(self.db).replace(microsecond=0)
        given = {
            "name": "示例道路工程", "description": "示例", "budget": Money.yuan("1000000"),
            "deposit_amount": Money(0), "submission_deadline": start + timedelta(seconds=60),
            "unlock_until": start + timedelta(seconds=90), "release_until": start + timedelta(seconds=150),
            "holders": [person.id for person in people], "ceiling_price": Money.yuan("900000"),
        }  # fmt: skip
        return notices.Terms(**given | changes)

    def drafted(self, buyer: parties.Person | None = None, **changes: Any) -> Tender:
        buyer = buyer or self.buyer()
        if "holders" not in changes:
            changes["holders"] = [person.id for person in self.holders(buyer)]
        tender = notices.draft(self.db, self.terms([], **changes), by=buyer.actor)
        source = io.BytesIO(b"%PDF-1.7 documents")
        documents.add(
            self.db, self.store, tender, DocumentKind.BIDDING_DOCUMENTS, "招标文件.pdf", source, by=buyer.actor
        )
        return tender

    def published(self, buyer: parties.Person | None = None, **changes: Any) -> Tender:
        buyer = buyer or self.buyer()
        tender = notices.publish(self.db, self.drafted(buyer, **changes), by=buyer.actor)
        self.join_all(tender)
        notices.publish_joined(self.db, tender.id)
        assert tender.state is State.PUBLISHED
        return tender

    def join_all(self, tender: Tender) -> None:
        assert tender.opening is not None
        kept = self.keys.setdefault(tender.id, {})
        for seat in tender.opening.seats:
            key, sig = kept.setdefault(seat.place, (Key.make(), Key.make()))
            base = tender.opening.base
            openings.join(
                self.db, tender.opening, pk=key.public.hex(), sig=sig.public.hex(),
                join=sig.sign(messages.join(base, key.public, sig.public)).hex(),
                ready=key.sign(messages.ready(base)).hex(), by=seat.person.actor,
            )  # fmt: skip
        openings.close_params(self.db, tender.opening, by=tender.opening.seats[0].person.actor)

    # a bid

    def bidder(self, name: str = "投标人", kind: KeyKind = KeyKind.ECDSA) -> parties.Person:
        person = self.person(f"{name}{next(_numbers)}", Role.BIDDER)
        self.certificate(person, kind)
        return person

    def make(
        self, tender: Tender, person: parties.Person, price: str = "800000.00", *, seq: int = 1,
        container: bytes | None = None, random: Callable[[int], bytes] | None = None, **context: Any,
    ) -> Made:  # fmt: skip
        assert tender.opening is not None
        meant = {"opening": tender.opening.name, "lot": "1", "bidder": person.organisation.credit_code, "seq": seq}
        plain, sealed = self.folder / f"plain{next(_numbers)}", self.folder / f"sealed{next(_numbers)}"
        plain.write_bytes(container if container is not None else self.asice(person, price, **meant | context))
        lot, holder = context.get("lot", "1"), context.get("bidder", meant["bidder"])
        given = {"random": random} if random else {}
        made = seal(plain, sealed, tender.params, lot=lot, bidder=holder, seq=seq, **given)
        return Made(sealed.read_bytes(), self.sign(person, sealed.read_bytes()), made)

    def asice(self, person: parties.Person, price: str, **context: Any) -> bytes:
        issued = self.certificate(person)
        form = write_price(Money.yuan(price), **{name: context[name] for name in ("opening", "lot", "bidder", "seq")})
        out = io.BytesIO()
        files = [("price.json", form), ("技术标.pdf", b"%PDF-1.7 technical")]
        asic.write(out, files, key=issued.key, certificate=issued.certificate, chain=issued.chain)
        return out.getvalue()

    def sign(self, person: parties.Person, content: bytes) -> bytes:
        issued = self.certificate(person)
        return signing.sign_detached(io.BytesIO(content), issued.key, issued.certificate, issued.chain)

    def upload(self, tender: Tender, bidder: parties.Person, content: bytes, pieces: int = 1) -> Upload:
        held = registration.register(self.db, tender, by=bidder.actor)
        upload = uploads.begin(self.db, self.store, held, size=len(content), by=bidder.actor)
        step = -(-len(content) // pieces)
        for start in range(0, len(content), step):
            piece = io.BytesIO(content[start : start + step])
            uploads.receive(self.db, self.store, upload, start, piece, by=bidder.actor)
        return upload

    def submit(self, tender: Tender, bidder: parties.Person, made: Made | None = None, **wishes: Any) -> Bid:
        made = made or self.make(tender, bidder, **wishes)
        upload = self.upload(tender, bidder, made.file)
        bid = submission.hand_in(self.db, upload, made.signature, by=bidder.actor, address="192.0.2.7")
        self.made[bid.id] = made
        return submission.verify(self.db, self.store, bid.id, key=self.key, recognised=self.recognised)

    made: dict[Any, Made] = field(default_factory=dict)
    app: Any = None

    # the opening

    def at(self, moment: datetime, plus: timedelta = timedelta(0)) -> None:
        """Let the database's clock stand at this moment (and run on)."""
        shift = moment + plus - clock.database(self.db) + self._shift()
        seconds = f"{shift.total_seconds()} seconds"
        self.db.execute(text("SELECT set_config('gongheng.shift', :by, false)"), {"by": seconds})

    def _shift(self) -> timedelta:
        told = self.db.execute(text("SELECT nullif(current_setting('gongheng.shift', true), '')::interval")).scalar()
        return told or timedelta(0)

    def frozen(self, tender: Tender) -> Tender:
        self.at(tender.submission_deadline)
        opening.freeze(self.db, tender.id, key=self.key)
        return opening.begin_unlocking(self.db, tender.id)

    def unlock(self, bid: Bid) -> Bid:
        person = self.db.get(parties.Person, bid.person_id)
        return opening.unlock(self.db, bid, self.made[bid.id].sealed.kb.hex(), by=person.actor, key=self.key)

    def supervisor(self) -> parties.Person:
        return self.person("监督部门", Role.SUPERVISOR)

    def closed(self, tender: Tender, supervisor: parties.Person | None = None) -> Tender:
        supervisor = supervisor or self.supervisor()
        self.at(tender.unlock_until)
        opening.end_unlocking(self.db, tender.id)
        self.at(opening.close_from(self.db, tender))
        signature = self.sign(supervisor, opening.close_message(tender))
        return opening.close(self.db, tender, signature, by=supervisor.actor, recognised=self.recognised)

    def release(self, tender: Tender, places: tuple[int, ...] = (0, 2, 4)) -> None:
        assert tender.opening is not None
        for place in places:
            seat, (key, sig) = tender.opening.seats[place], self.keys[tender.id][place]
            signature = sig.sign(openings.release_message(tender.opening, seat, key.scalar)).hex()
            openings.release(
                self.db, tender.opening, key=key.scalar.hex(), signature=signature, by=seat.person.actor
            )

    def opened(self, tender: Tender) -> Tender:
        unsealing.begin(self.db, tender.id)
        for bid_id in unsealing.due_to_open(self.db):
            unsealing.open_bid(self.db, self.store, bid_id, recognised=self.recognised)
        return self.finish(tender)

    def finish(self, tender: Tender) -> Tender:
        return unsealing.finish(self.db, self.store, tender.id, key=self.key)


@pytest.fixture
def stage(db: Session, store: Store, tmp_path: Path, cas: DemoCas, recognised: Recognised) -> Stage:
    region = parties.add_region(db, f"51{next(_numbers)}", "示例市")
    notices.set_profile(db, region, "demo", by=notices.SYSTEM)
    folder = tmp_path / "home"
    folder.mkdir()
    return Stage(db, store, folder, cas, recognised, PlatformKey.at(tmp_path / "keys"), region)


@contextmanager
def refused(kind: type[Exception]) -> Iterator[pytest.ExceptionInfo[Any]]:
    """An act that is refused with this very class."""
    with pytest.raises(kind) as told:
        yield told
    assert type(told.value) is kind


@pytest.fixture
def tenders_app(app, stage, tmp_path):
    """The application with the tenders' doors, and the CAs that the stage's certificates come from."""
    for door in (pages, api):
        if door.name not in app.blueprints:
            app.register_blueprint(door)
    stage.cas.save(tmp_path / "ca")
    stage.db.flush()
    stage.app = app
    return app


@pytest.fixture
def client(tenders_app, client, stage):
    client.stage = stage
    return client
