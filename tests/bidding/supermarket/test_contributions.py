"""Contributions: who may, when, and which one counts."""

import pytest

from bidding.supermarket import contributions
from bidding.supermarket.models import State
from ca import canonical, parties
from ca.rights import Actor, Role
from ca.sealing import box
from ca.tagged import H


def seal(project, label: str, seq: int = 1) -> bytes:
    return box.contribute(contributions.params_of(project.draw), label, seq).box


def test_the_platforms_own_is_sealed_when_the_notice_appears(city):
    project = city.published()

    assert list(contributions.latest(city.db, project.draw)) == ["platform"]


def test_the_highest_seq_at_the_close_counts(city):
    project = city.published()
    city.contribute(project, city.supervisor)
    city.contribute(project, city.owner, seq=1)
    last = seal(project, "owner", 3)
    contributions.contribute(city.db, project, last, by=city.owner)
    with pytest.raises(contributions.OldSeq):
        contributions.contribute(city.db, project, seal(project, "owner", 2), by=city.owner)
    with pytest.raises(contributions.OldSeq):
        contributions.contribute(city.db, project, seal(project, "owner", 3), by=city.owner)
    city.register(project)
    city.pass_time(1)
    city.settle(project)

    fixed = dict(canonical.decode(project.draw.pool.encode())["contributions"])
    assert fixed["owner"] == H("box", last).hex()
    assert set(fixed) == {"owner", "platform", "supervisor"}


def test_handing_in_the_same_box_again_is_safe(city):
    project = city.published()
    sealed = seal(project, "owner")

    first = contributions.contribute(city.db, project, sealed, by=city.owner)
    assert contributions.contribute(city.db, project, sealed, by=city.owner).id == first.id


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.SUPERVISOR])
def test_nobody_else_contributes(city, role):
    project = city.published()

    with pytest.raises(contributions.NotAContributor):
        contributions.contribute(city.db, project, seal(project, "owner"), by=city.person(role).actor)


def test_a_supervisor_of_another_region_does_not(city):
    project = city.published()
    elsewhere = parties.add_region(city.db, "510100", "别处")
    other = Actor(city.supervisor.person_id, "", None, frozenset({Role.SUPERVISOR}), elsewhere.id)

    with pytest.raises(contributions.NotAContributor):
        contributions.contribute(city.db, project, seal(project, "supervisor"), by=other)


def test_a_box_for_another_label_or_draw_is_refused(city):
    project, other = city.published(), city.published()
    for sealed in (
        seal(project, "supervisor"),
        seal(other, "owner"),
        b"",
        b"{}",
        seal(project, "owner")[:-1],
    ):
        with pytest.raises(contributions.BadBox):
            contributions.contribute(city.db, project, sealed, by=city.owner)


def test_nothing_is_taken_after_the_close_or_before_the_notice(city):
    project = city.published()
    sealed = seal(project, "owner")
    waiting = city.submitted()
    with pytest.raises(contributions.ContributionsClosed):
        contributions.contribute(city.db, waiting, sealed, by=city.owner)
    city.pass_time(1)
    with pytest.raises(contributions.ContributionsClosed):
        contributions.contribute(city.db, project, sealed, by=city.owner)
    assert project.state is State.REGISTRATION


def test_a_box_that_does_not_open_is_void_and_named(city):
    """A supervisor's box with a flipped envelope bit: read well, opened by nobody, and the draw fails."""
    project = city.published()
    fields = canonical.ascii_decode(seal(project, "supervisor"))
    fields["teams"] = fields["teams"][:-1] + ("0" if fields["teams"][-1] != "0" else "1")
    contributions.contribute(city.db, project, canonical.ascii_encode(fields), by=city.supervisor)
    city.contribute(project, city.owner)
    city.register(project)
    city.pass_time(1)
    city.settle(project)
    for holder in city.holders:
        holder.release(city.db, project.draw.opening)
    city.settle(project)

    assert (project.state, project.failure) == (State.FAILED, "void_contributions")
    from storage import journal

    assert journal.entries(city.db, project.file)[-1].facts["void"] == ["supervisor"]
