"""Openings: who may join, when the parameters close, and what a released key is worth."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ca import canonical, openings
from ca.ecdsa import Key
from ca.openings import Mode, Opening, State, Verdict
from ca.parties import Person
from ca.rights import SYSTEM, Role
from ca.sealing import messages
from ca.sealing.params import Params
from ca.tagged import H
from storage import clock, journal
from storage.lifecycle import WrongState

POOL = {"project": "DZ-2026-0001", "root": "00" * 32}
EVIDENCE = {"pool": POOL, "pool_signature": "00" * 64}


class Holder:
    """A holder's program in miniature: two keys and the signatures over them."""

    def __init__(self, person: Person) -> None:
        self.person, self.key, self.sig = person, Key.make(), Key.make()

    def join(self, db: Session, opening: Opening, **wrong: str) -> openings.HolderSeat:
        base = opening.base
        given = {
            "pk": self.key.public.hex(),
            "sig": self.sig.public.hex(),
            "join": self.sig.sign(messages.join(base, self.key.public, self.sig.public)).hex(),
            "ready": self.key.sign(messages.ready(base)).hex(),
        }
        return openings.join(db, opening, **given | wrong, by=self.person.actor)

    def release(self, db: Session, opening: Opening, key: Key | None = None, pool: dict = POOL) -> Verdict:
        signature = self.sig.sign(H("release", H("pool", canonical.encode(pool))))
        scalar = (key or self.key).scalar.hex()
        return openings.release(db, opening, key=scalar, signature=signature.hex(), by=self.person.actor)


def whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


@pytest.fixture
def holders(person) -> list[Holder]:
    return [Holder(person(Role.KEY_HOLDER)) for _ in range(3)]


@pytest.fixture
def make(db, holders):
    def opening(**given) -> Opening:
        now = whole(clock.database(db))
        terms = {
            "name": "DZ-2026-0001:select:1", "mode": Mode.DRAW, "m": 2,
            "holders": [holder.person for holder in holders],
            "deadline": now + timedelta(hours=1), "unlock_until": now + timedelta(hours=1),
            "release_until": now + timedelta(hours=2),
        }  # fmt: skip
        return openings.begin(db, **terms | given, by=SYSTEM)

    return opening


@pytest.fixture
def published(db, make, holders) -> Opening:
    opening = make()
    for holder in holders:
        holder.join(db, opening)
    return openings.close_params(db, opening, by=SYSTEM)


@pytest.fixture
def releasing(db, published) -> Opening:
    clock.shift_database(db, timedelta(hours=1))
    return openings.ask_release(db, published, EVIDENCE, by=SYSTEM)


def test_all_join_and_the_parameters_close_by_themselves(db, make, holders):
    opening = make()
    for holder in holders[:2]:
        holder.join(db, opening)
    assert opening.id not in openings.due(db)
    with pytest.raises(openings.NotAllJoined):
        openings.close_params(db, opening, by=SYSTEM)
    holders[2].join(db, opening)
    assert opening.id in openings.due(db)

    openings.settle(db, opening.id)

    params = Params.read(opening.params.encode())
    assert opening.state is State.PUBLISHED
    assert params.digest.hex() == opening.params_hash
    assert params.base == opening.base
    assert [seat.pk for seat in params.holders] == [holder.key.public for holder in holders]
    assert opening.id not in openings.due(db)


@pytest.mark.parametrize(
    ("wrong", "refusal"),
    [
        ({"m": 1}, openings.WrongNumbers),
        ({"m": 3}, openings.WrongNumbers),
        ({"mode": Mode.TWO_LOCK}, openings.WrongNumbers),
        ({"name": "a/b"}, openings.BadName),
        ({"name": ""}, openings.BadName),
        ({"unlock_until": "later"}, openings.WrongTimes),
        ({"deadline": "past"}, openings.WrongTimes),
        ({"deadline": "half a second"}, openings.WrongTimes),
    ],
)
def test_terms_that_cannot_be(db, make, wrong, refusal):
    now = whole(clock.database(db))
    moments = {
        "later": now + timedelta(minutes=90),
        "past": now - timedelta(hours=1),
        "half a second": now + timedelta(hours=1, milliseconds=500),
    }
    with pytest.raises(refusal):
        make(**{name: moments.get(value, value) for name, value in wrong.items()})


def test_one_body_never_sits_twice(db, make, holders, person):
    colleague = person(Role.KEY_HOLDER, organisation=holders[0].person.organisation)

    with pytest.raises(openings.SameHolderTwice):
        make(holders=[holders[0].person, holders[1].person, colleague])


def test_joining_again_with_the_same_key_is_safe_and_with_another_is_not(db, make, holders):
    opening = make()
    seat = holders[0].join(db, opening)

    assert holders[0].join(db, opening).joined_at == seat.joined_at
    holders[0].key = Key.make()
    with pytest.raises(openings.JoinedWithAnotherKey):
        holders[0].join(db, opening)


def test_a_stranger_has_no_seat(db, make, person):
    with pytest.raises(openings.NotAHolder):
        Holder(person(Role.KEY_HOLDER)).join(db, make())


@pytest.mark.parametrize("field", ["pk", "sig", "join", "ready"])
@pytest.mark.parametrize("text", ["", "00", "zz", "02" + "00" * 32, "AB" * 64])
def test_a_join_that_does_not_hold(db, make, holders, field, text):
    with pytest.raises(openings.BadJoin):
        holders[0].join(db, make(), **{field: text})


def test_the_signing_key_is_never_the_opening_key(db, make, holders):
    holders[0].sig = holders[0].key

    with pytest.raises(openings.BadJoin):
        holders[0].join(db, make())


def test_a_key_serves_one_opening_only(db, make, holders):
    holders[0].join(db, make())

    with pytest.raises(openings.KeyUsedBefore):
        holders[0].join(db, make(name="DZ-2026-0002:select:1"))


def test_a_key_is_not_copied_from_another_holder(db, make, holders):
    opening = make()
    holders[0].join(db, opening)
    holders[1].key, holders[1].sig = holders[0].key, Key.make()

    with pytest.raises(openings.KeyUsedBefore):
        holders[1].join(db, opening)


def test_nobody_joins_after_the_deadline(db, make, holders):
    opening = make()
    clock.shift_database(db, timedelta(hours=1))

    with pytest.raises(openings.TooLateToJoin):
        holders[0].join(db, opening)


@pytest.mark.parametrize(("shift", "opens"), [(-1, False), (0, False), (3600, True)])
def test_nothing_is_asked_before_the_deadline(db, published, shift, opens):
    clock.shift_database(db, timedelta(seconds=shift))

    if opens:
        assert openings.ask_release(db, published, EVIDENCE, by=SYSTEM).state is State.RELEASING
    else:
        with pytest.raises(openings.BeforeDeadline):
            openings.ask_release(db, published, EVIDENCE, by=SYSTEM)


def test_the_evidence_is_fixed_by_the_first_asking(db, releasing):
    assert openings.ask_release(db, releasing, EVIDENCE, by=SYSTEM) is releasing
    with pytest.raises(openings.OtherEvidence):
        openings.ask_release(db, releasing, EVIDENCE | {"pool": POOL | {"root": "11" * 32}}, by=SYSTEM)


def test_m_holders_are_enough_and_the_rest_may_follow(db, releasing, holders):
    assert holders[2].release(db, releasing) is Verdict.RELEASED
    assert not openings.enough(releasing)
    assert releasing.state is State.RELEASING
    assert holders[0].release(db, releasing) is Verdict.RELEASED
    assert openings.enough(releasing)
    assert releasing.state is State.COMBINED
    assert holders[1].release(db, releasing) is Verdict.RELEASED

    assert openings.scalars(releasing) == {place: holder.key.scalar for place, holder in enumerate(holders)}


def test_releasing_twice_is_one_release(db, releasing, holders):
    holders[0].release(db, releasing)
    before = len(journal.entries(db, releasing.file))

    assert holders[0].release(db, releasing) is Verdict.RELEASED
    assert len(journal.entries(db, releasing.file)) == before
    assert not openings.enough(releasing)


def test_a_false_key_names_its_holder(db, releasing, holders):
    assert holders[1].release(db, releasing, key=Key.make()) is Verdict.FALSE_KEY

    assert openings.scalars(releasing) == {}
    last = journal.entries(db, releasing.file)[-1]
    assert last.facts == {"holder": releasing.seats[1].holder, "verdict": "FALSE_KEY"}
    assert holders[1].release(db, releasing) is Verdict.RELEASED


def test_a_release_signed_for_another_pool_is_refused(db, releasing, holders):
    with pytest.raises(openings.BadRelease):
        holders[0].release(db, releasing, pool=POOL | {"root": "22" * 32})


def test_nobody_releases_unasked(db, published, holders):
    with pytest.raises(openings.NotAskedYet):
        holders[0].release(db, published)


def test_too_few_by_the_end_is_suspended_and_a_late_holder_mends_it(db, releasing, holders):
    holders[0].release(db, releasing)
    clock.shift_database(db, timedelta(hours=2))
    assert releasing.id in openings.due(db)

    openings.settle(db, releasing.id)
    openings.settle(db, releasing.id)

    assert releasing.state is State.SUSPENDED
    facts = journal.entries(db, releasing.file)[-1].facts
    assert facts["no_release"] == [seat.holder for seat in releasing.seats[1:]]
    holders[2].release(db, releasing)
    assert releasing.state is State.COMBINED


def test_a_holder_sees_what_waits_for_it(db, make, holders):
    opening = make()
    assert list(openings.waiting_for(db, holders[0].person.actor)) == [opening]
    for holder in holders:
        holder.join(db, opening)
    openings.close_params(db, opening, by=SYSTEM)
    assert list(openings.waiting_for(db, holders[0].person.actor)) == []
    clock.shift_database(db, timedelta(hours=1))
    openings.ask_release(db, opening, EVIDENCE, by=SYSTEM)
    holders[0].release(db, opening)

    assert list(openings.waiting_for(db, holders[0].person.actor)) == []
    assert list(openings.waiting_for(db, holders[1].person.actor)) == [opening]


def test_a_tender_walks_through_its_window(db, make, person):
    five = [Holder(person(Role.KEY_HOLDER)) for _ in range(5)]
    now = whole(clock.database(db))
    opening = make(
        mode=Mode.TWO_LOCK, m=3, holders=[h.person for h in five],
        unlock_until=now + timedelta(hours=1, minutes=30),
    )  # fmt: skip
    for holder in five:
        holder.join(db, opening)
    openings.close_params(db, opening, by=SYSTEM)
    with pytest.raises(openings.BeforeDeadline):
        openings.advance(db, opening, State.FROZEN, by=SYSTEM)
    clock.shift_database(db, timedelta(minutes=95))
    evidence = {"freeze": {"root": "01" * 32}, "unlocks": {"root": "02" * 32}, "close": "00"}
    with pytest.raises(WrongState):
        openings.advance(db, opening, State.CLOSED, by=SYSTEM)
    openings.advance(db, opening, State.FROZEN, by=SYSTEM, root="01" * 32)
    for state in (State.UNLOCKING, State.UNLOCKS_FROZEN, State.CLOSED):
        openings.advance(db, opening, state, by=SYSTEM)
    openings.ask_release(db, opening, evidence, by=SYSTEM)

    for seat, holder in zip(opening.seats, five, strict=True):
        key = holder.key.scalar
        signature = holder.sig.sign(openings.release_message(opening, seat, key)).hex()
        openings.release(db, opening, key=key.hex(), signature=signature, by=holder.person.actor)

    assert opening.state is State.COMBINED
    assert journal.is_whole(db, opening.file).ok


STEPS = [State.FROZEN, State.UNLOCKING, State.UNLOCKS_FROZEN, State.CLOSED, State.CANCELLED]
ALLOWED_DIRECT = {(state, to) for state, ways in Opening.MOVES.items() for to in ways}


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("act", STEPS)
def test_every_step_outside_the_table_is_refused(db, published, state, act):
    clock.shift_database(db, timedelta(hours=3))
    published.state, published.evidence = state, EVIDENCE
    db.flush()

    if (state, act) in ALLOWED_DIRECT or state is act:
        assert openings.advance(db, published, act, by=SYSTEM).state is act
    else:
        with pytest.raises(WrongState):
            openings.advance(db, published, act, by=SYSTEM)
        assert published.state is state


def test_the_database_says_it_again(db, published):
    published.state = State.RELEASING

    with pytest.raises(IntegrityError, match="released_over_evidence"):
        db.flush()
