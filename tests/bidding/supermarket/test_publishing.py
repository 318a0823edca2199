"""Publishing: who may, what is refused, and what the holders must do first."""

from datetime import UTC, datetime, timedelta

import pytest

from bidding.supermarket import publishing
from bidding.supermarket.models import RegionRules, State
from ca import canonical, ecdsa, openings, parties
from ca.draws import pool
from ca.rights import Role
from storage import calendar, clock
from storage.db import find
from storage.forms import NotFilledIn, read


def test_a_notice_is_signed_by_owner_and_platform(city):
    project = city.published()

    notice, signed = canonical.decode(project.draw.notice.encode()), project.draw.notice_signatures
    for who in ("owner", "platform"):
        key = bytes.fromhex(notice["signers"][who])
        assert ecdsa.verify(key, pool.notice_signed(notice), bytes.fromhex(signed[who]))
    assert notice["signers"]["platform"] == city.keys.platform.public.hex()


def test_nothing_is_published_before_all_holders_have_joined(city):
    project = city.submitted()
    for holder in city.holders[:2]:
        holder.join(city.db, project.draw.opening)

    assert city.settle(project).state is State.PREPARING

    city.holders[2].join(city.db, project.draw.opening)
    openings.close_params(city.db, project.draw.opening, by=city.owner)
    assert city.settle(project).state is State.REGISTRATION
    assert project.published_at is not None


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.PROJECT_OWNER])
def test_only_owners_begin_projects(city, role):
    terms = publishing.Terms(item_id=city.item.id, title="造价咨询", scope="编制", budget="1000")
    with pytest.raises(publishing.NotTheOwner):
        publishing.draft(city.db, terms, by=city.person(role).actor)


def test_another_owner_may_not_touch_it(city):
    project, other = city.draft(), city.person(Role.PROJECT_OWNER).actor
    terms = publishing.Terms(item_id=city.item.id, title="改名", scope="改动", budget="1")
    firm = find(city.db, parties.Organisation, city.firms[0].organisation_id)
    for act in (
        lambda: publishing.amend(city.db, project, terms, by=other),
        lambda: publishing.publish(city.db, project, city.now() + timedelta(hours=1), by=other),
        lambda: publishing.withdraw(city.db, project, reason="", by=other),
        lambda: publishing.recuse(city.db, project, firm, reason="x", by=other),
    ):
        with pytest.raises(publishing.NotTheOwner):
            act()
    assert project.state is State.DRAFT
    assert project.title != "改名"


def test_random_selection_is_refused_where_tendering_is_compulsory(city):
    with pytest.raises(publishing.TenderingIsCompulsory):
        city.submitted(budget="1000000")
    assert city.submitted(budget="999999.99").state is State.PREPARING


def test_the_registration_is_never_shorter_than_the_rule(city):
    with pytest.raises(publishing.ClosesTooSoon):
        city.submitted(closes_at=city.now() + timedelta(seconds=14))
    assert city.submitted(closes_at=city.now() + timedelta(seconds=18)).state is State.PREPARING


def test_a_region_without_a_word_follows_the_standard(city):
    """One whole working day after the day of the notice: over a weekend that is three days."""
    city.db.query(RegionRules).delete()
    calendar.seed(city.db, 2026)
    friday = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
    city.pass_time(seconds=(friday - clock.database(city.db)).total_seconds())
    monday_night = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # midnight in Beijing

    with pytest.raises(publishing.ClosesTooSoon) as no:
        city.submitted(closes_at=monday_night - timedelta(seconds=1))
    assert no.value.facts["earliest"] == monday_night
    assert city.submitted(closes_at=monday_night).profile == "standard"


def test_beyond_the_calendar_nothing_is_guessed(city):
    city.db.query(RegionRules).delete()

    with pytest.raises(calendar.CalendarEnds):
        city.submitted(closes_at=city.now() + timedelta(days=30))


def test_holders_must_be_of_three_bodies(city):
    for holder in city.holders[1:]:
        holder.person.organisation_id = city.holders[0].person.organisation_id
    city.db.flush()
    city.db.expire_all()

    with pytest.raises(publishing.TooFewHolders):
        city.submitted()


def test_an_item_that_nobody_holds_cannot_be_published(city):
    from bidding.supermarket import catalogue

    lonely = catalogue.add_item(city.db, "ZJ-002", "无人事项", by=city.authority)
    with pytest.raises(publishing.NobodyAdmitted):
        city.submitted(item_id=lonely.id)


def test_a_submitted_project_is_no_draft_any_more(city):
    project = city.submitted()
    terms = publishing.Terms(item_id=city.item.id, title="改名", scope="改动", budget="1")
    firm = find(city.db, parties.Organisation, city.firms[0].organisation_id)

    with pytest.raises(publishing.NotADraft):
        publishing.amend(city.db, project, terms, by=city.owner)
    with pytest.raises(publishing.NotADraft):
        publishing.recuse(city.db, project, firm, reason="x", by=city.owner)
    with pytest.raises(publishing.NotADraft):
        publishing.publish(city.db, project, city.now() + timedelta(hours=2), by=city.owner)


def test_an_owner_may_withdraw_until_the_close(city):
    project = city.published()
    publishing.withdraw(city.db, project, reason="预算调整", by=city.owner)
    assert project.state is State.WITHDRAWN
    assert project.draw.opening.state is openings.State.CANCELLED

    late = city.published()
    city.pass_time(1)
    with pytest.raises(publishing.AfterTheClose):
        publishing.withdraw(city.db, late, reason="", by=city.owner)


@pytest.mark.parametrize("budget", ["0", "-1", "1.234", "abc", ""])
def test_a_budget_is_an_amount(city, budget):
    given = {"item_id": str(city.item.id), "title": "造价咨询", "scope": "编制", "budget": budget}
    with pytest.raises((NotFilledIn, publishing.NoBudget)):
        publishing.draft(city.db, read(publishing.Terms, given), by=city.owner)
