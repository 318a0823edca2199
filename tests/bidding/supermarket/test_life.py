"""A project's whole life: every act in every state, and long random runs by seed."""

import contextlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bidding.supermarket import contributions, publishing, registration, results, selection, waiting
from bidding.supermarket.models import Project, State
from ca import openings
from ca.draws import verify
from ca.rights import SYSTEM
from ca.sealing import box
from storage import journal
from storage.lifecycle import WrongState, move
from storage.refusals import NotNow, Refusal


def in_state(city, state: State) -> Project:
    """A project that came to this state by the acts themselves."""
    if state is State.DRAFT:
        return city.draft()
    if state is State.PREPARING:
        return city.submitted()
    if state is State.REGISTRATION:
        project = city.published()
        city.contribute(project)
        city.register(project)
        return project
    if state is State.POOL_COMMITTED:
        return city.closed()
    if state is State.RESULT:
        return city.drawn()
    if state is State.NOTICE_ISSUED:
        return city.issued()
    if state is State.FAILED:
        return city.closed(city.firms[0])
    project = city.published()
    publishing.withdraw(city.db, project, reason="调整", by=city.owner)
    return project


STANDING = [s for s in State if s not in (State.CLOSED, State.DRAWN, State.DECLINED)]  # passed through in one act


def acts(city, project: Project) -> dict:
    """Every act that somebody may try on a project, each by somebody who could do it in the right state."""
    terms = publishing.Terms(item_id=city.item.id, title="改名", scope="改动", budget="1")
    later = city.now() + timedelta(hours=5)
    selected = city.selected(project) if project.selected_id else city.firms[0]

    def contribute():
        sealed = box.contribute(contributions.params_of(project.draw), "owner", 9).box
        contributions.contribute(city.db, project, sealed, by=city.owner)

    def register():
        body, _ = city.body(project, city.firms[0])
        registration.register(city.db, project, body, keys=city.keys, by=city.firms[0])

    return {
        "amend": lambda: publishing.amend(city.db, project, terms, by=city.owner),
        "publish": lambda: publishing.publish(city.db, project, later, by=city.owner),
        "withdraw": lambda: publishing.withdraw(city.db, project, reason="x", by=city.owner),
        "register": register,
        "leave": lambda: registration.withdraw(city.db, project, bytes(32), keys=city.keys, by=city.firms[0]),
        "contribute": contribute,
        "close": lambda: selection.close(city.db, project, keys=city.keys),
        "conclude": lambda: selection.conclude(city.db, project, keys=city.keys),
        "announce": lambda: publishing.announce(city.db, project, keys=city.keys),
        "issue": lambda: results.issue(city.db, project),
        "decline": lambda: results.decline(city.db, project, reason="x", by=selected),
        "object": lambda: results.object_to(city.db, project, "x", by=city.firms[1]),
    }


MAY = {
    State.DRAFT: {"amend", "publish", "withdraw"},
    State.PREPARING: {"withdraw"},
    State.REGISTRATION: {"withdraw", "register", "contribute"},
    State.POOL_COMMITTED: set(),
    State.RESULT: {"decline", "object"},
    State.NOTICE_ISSUED: {"decline"},
    State.FAILED: set(),
    State.WITHDRAWN: set(),
}
ACTS = [
    "amend", "publish", "withdraw", "register", "leave", "contribute", "close", "conclude", "announce",
    "issue", "decline", "object",
]  # fmt: skip


@pytest.mark.parametrize("state", STANDING)
@pytest.mark.parametrize("act", ACTS)
def test_every_act_outside_its_state_leaves_no_trace(city, state, act):
    project = in_state(city, state)
    before = (project.state, project.selected_id, len(journal.entries(city.db, project.file)))

    if act in MAY[state]:
        acts(city, project)[act]()
        return
    try:
        if act == "contribute" and (project.latest_draw is None or project.draw.opening.params is None):
            return  # there is nothing yet to which anybody could seal
        acts(city, project)[act]()  # an act that is done already, or has nothing to do, may say so by silence
    except Refusal:
        pass
    city.db.expire_all()
    assert (project.state, project.selected_id, len(journal.entries(city.db, project.file))) == before


@pytest.mark.parametrize("was", list(State))
@pytest.mark.parametrize("to", list(State))
def test_no_move_outside_the_table(city, was, to):
    project = city.draft()
    project.state = was
    if to in Project.MOVES[was]:
        return
    with pytest.raises(WrongState):
        move(city.db, project, to, by=SYSTEM)


def test_every_state_can_be_reached():
    reached, ahead = set(), [State.DRAFT]
    while ahead:
        state = ahead.pop()
        if state not in reached:
            reached.add(state)
            ahead += Project.MOVES[state]
    assert reached == set(State) == set(Project.STATE_NAMES)


class Life(RuleBasedStateMachine):
    """One project in the hands of people who do things in any order, and a model of who is registered."""

    city = None  # set by the test

    def __init__(self) -> None:
        super().__init__()
        self.nested = self.city.db.begin_nested()
        self.project = self.city.draft()
        self.registered: dict[int, bytes] = {}
        self.published = False
        self.closed = False

    def teardown(self) -> None:
        self.nested.rollback()
        self.city.db.expire_all()

    @property
    def state(self) -> State:
        return self.project.state

    @precondition(lambda self: self.state is State.DRAFT and not self.published)
    @rule()
    def publish(self) -> None:
        closes_at = self.city.now() + timedelta(hours=1)
        publishing.publish(self.city.db, self.project, closes_at, by=self.city.owner)
        for holder in self.city.holders:
            holder.join(self.city.db, self.project.draw.opening)
        openings.settle(self.city.db, self.project.draw.opening_id)
        self.city.settle(self.project)
        assert self.state is State.REGISTRATION
        self.published = True

    @rule(place=st.integers(0, 4))
    def register(self, place: int) -> None:
        try:
            [(receipt, secret)] = self.city.register(self.project, self.city.firms[place])
        except NotNow:
            assert self.state is not State.REGISTRATION or self.closed
            return
        assert self.state is State.REGISTRATION
        if place not in self.registered:
            self.registered[place] = secret

    @rule(place=st.integers(0, 4), right=st.booleans())
    def leave(self, place: int, right: bool) -> None:
        secret = self.registered.get(place, bytes(32)) if right else bytes(32)
        try:
            registration.withdraw(self.city.db, self.project, secret, keys=self.city.keys, by=self.city.firms[place])
        except Refusal:
            assert not (right and place in self.registered and self.state is State.REGISTRATION)
            return
        assert right
        assert place in self.registered
        del self.registered[place]

    @precondition(lambda self: self.state is State.REGISTRATION)
    @rule(who=st.sampled_from(["owner", "supervisor"]))
    def contribute(self, who: str) -> None:
        seq = contributions.latest_seqs(self.project.draw).get(who, 0) + 1
        self.city.contribute(self.project, getattr(self.city, who), seq=seq)
        self.city.db.expire_all()

    @precondition(lambda self: self.state is State.REGISTRATION)
    @rule()
    def close(self) -> None:
        self.closed = True
        self.city.pass_time(1)
        sealed = set(contributions.latest(self.city.db, self.project.draw))
        self.city.settle(self.project)
        enough = len(self.registered) >= 3
        if enough and {"owner", "supervisor"} <= sealed:
            assert self.state is State.POOL_COMMITTED
        else:
            assert self.project.failure == ("no_contributions" if enough else "too_few")

    @precondition(lambda self: self.state is State.POOL_COMMITTED)
    @rule(places=st.sets(st.integers(0, 2)))
    def release(self, places: set[int]) -> None:
        for place in places:
            self.city.holders[place].release(self.city.db, self.project.draw.opening)
        self.city.settle(self.project)
        released = len(openings.scalars(self.project.draw.opening))
        assert (self.state is State.RESULT) == (released >= 2)

    @precondition(lambda self: self.project.selected_id is not None)
    @rule()
    def decline(self) -> None:
        results.decline(self.city.db, self.project, reason="x", by=self.city.selected(self.project))

    @precondition(lambda self: self.state is State.RESULT)
    @rule()
    def wait_for_the_notice(self) -> None:
        self.city.pass_time(1)
        self.city.settle(self.project)
        assert self.state is State.NOTICE_ISSUED

    @precondition(lambda self: self.state in (State.DRAFT, State.REGISTRATION))
    @rule(really=st.sampled_from([False, False, False, True]))
    def withdraw(self, really: bool) -> None:
        if really:
            publishing.withdraw(self.city.db, self.project, reason="x", by=self.city.owner)

    @rule()
    def settle_again(self) -> None:
        """The worker may come at any moment and any number of times."""
        for _ in range(2):
            with contextlib.suppress(NotNow):
                waiting.settle(self.city.db, self.project.id, self.city.keys)

    @invariant()
    def the_journal_is_whole(self) -> None:
        assert journal.is_whole(self.city.db, self.project.file).ok

    @invariant()
    def a_result_is_of_those_who_registered(self) -> None:
        if self.project.latest_draw is None or self.project.draw.bundle is None:
            assert self.project.selected_id is None
            return
        outcome = verify.verify(self.project.draw.bundle.encode())
        assert outcome.ok, outcome.first_wrong
        assert len(self.project.draw.order) == len(set(self.project.draw.order)) == len(self.registered)
        if self.project.selected is not None:
            assert self.project.selected.credit_code == self.project.draw.order[self.project.draw.place]


def test_any_life_keeps_the_promises(city):
    Life.city = city
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=12,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=True,
        ),
    )
