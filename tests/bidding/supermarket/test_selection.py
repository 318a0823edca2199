"""From the close to the name: what is fixed when, and that anybody can recompute it."""

import hashlib
from datetime import timedelta

import pytest

from bidding.supermarket import registration, selection, waiting
from bidding.supermarket.models import State
from ca import canonical, openings
from ca.draws import verify
from ca.draws.chance import order
from storage import journal


def test_a_whole_project_ends_with_a_name_that_anybody_can_recompute(city):
    project = city.drawn()

    outcome = verify.verify(project.draw.bundle.encode(), platform=city.keys.platform.public)
    assert outcome.first_wrong is None
    assert project.state is State.RESULT
    assert outcome.winner == project.selected.credit_code == project.draw.order[0]
    assert len(project.draw.order) == len(city.firms)
    assert journal.is_whole(city.db, project.file).ok


def test_the_order_is_the_seed_applied_to_the_entries(city):
    project = city.drawn()
    bundle = city.bundle(project)

    firms = {bytes.fromhex(entry["entry"]): entry["body"]["firm"] for entry in bundle["entries"]}
    drawn = order(bytes.fromhex(project.draw.seed), firms, "select")
    assert [firms[entry] for entry in drawn] == project.draw.order


def test_the_notice_fixes_everything_before_anybody_registers(city):
    project = city.published()

    notice = canonical.decode(project.draw.notice.encode())
    assert notice["rule"] == project.rules.hash
    assert notice["minimum"] == 3
    assert notice["params"] == project.draw.opening.params_hash
    assert notice["contributors"] == [
        ["owner", "outside"],
        ["platform", "platform"],
        ["supervisor", "outside"],
    ]
    assert notice["capacity"] >= 2 * len(city.firms)
    assert notice["capacity"] & (notice["capacity"] - 1) == 0


def test_nothing_closes_before_its_moment(city):
    project = city.published()
    assert project.id not in waiting.due(city.db)

    with pytest.raises(selection.StillOpen):
        selection.close(city.db, project, keys=city.keys)

    city.pass_time(1)
    assert project.id in waiting.due(city.db)


def test_closing_twice_is_closing_once(city):
    project = city.closed()
    pool, entries = project.draw.pool, len(journal.entries(city.db, project.file))

    selection.close(city.db, project, keys=city.keys)

    assert (project.draw.pool, len(journal.entries(city.db, project.file))) == (pool, entries)


def test_concluding_twice_is_concluding_once(city):
    project = city.drawn()
    bundle, entries = project.draw.bundle, len(journal.entries(city.db, project.file))

    selection.conclude(city.db, project, keys=city.keys)

    assert (project.draw.bundle, len(journal.entries(city.db, project.file))) == (bundle, entries)


def test_the_pool_is_in_the_journal_before_any_key_is_released(city):
    project = city.closed()

    last = journal.entries(city.db, project.file)[-1]
    assert last.act == "supermarket_project.pool_committed"
    assert project.draw.opening.state is openings.State.RELEASING
    assert not openings.scalars(project.draw.opening)
    assert project.draw.seed is None
    assert project.selected_id is None


def test_the_pool_tells_no_number(city):
    few, many = city.closed(*city.firms[:3]), city.closed()

    def told(project):
        acts = [(entry.act, len(str(entry.facts))) for entry in journal.entries(city.db, project.file)]
        return acts, len(project.draw.pool), len(str(project.draw.opening.evidence))

    assert told(few) == told(many)


def test_too_few_is_said_without_a_number(city):
    project = city.closed(*city.firms[:2])

    assert (project.state, project.failure) == (State.FAILED, "too_few")
    facts = journal.entries(city.db, project.file)[-1].facts
    assert facts == {"was": "closed", "why": "too_few"}
    assert project.draw.opening.state is openings.State.CANCELLED


def test_withdrawn_ones_stay_in_the_log_and_out_of_the_draw(city):
    project = city.published()
    city.contribute(project)
    receipts = city.register(project)
    registration.withdraw(city.db, project, receipts[1][1], keys=city.keys, by=city.firms[1])
    city.pass_time(1)
    city.settle(project)
    for holder in city.holders:
        holder.release(city.db, project.draw.opening)
    city.settle(project)

    entries = city.bundle(project)["entries"]
    gone = [entry for entry in entries if "withdrawal" in entry]
    assert len(entries) == 5
    assert [entry["entry"] for entry in gone] == [receipts[1][0].entry]
    assert gone[0]["body"]["firm"] not in project.draw.order
    assert len(project.draw.order) == 4


def test_a_firm_that_withdrew_may_come_again(city):
    project = city.published()
    city.contribute(project)
    first = city.register(project)
    registration.withdraw(city.db, project, first[0][1], keys=city.keys, by=city.firms[0])
    [(again, _)] = city.register(project, city.firms[0])
    assert again.entry != first[0][0].entry
    city.pass_time(1)
    city.settle(project)
    for holder in city.holders[1:]:
        holder.release(city.db, project.draw.opening)
    city.settle(project)

    assert len(project.draw.order) == 5
    assert len(city.bundle(project)["entries"]) == 6


def test_one_missing_outsider_and_there_is_no_draw(city):
    project = city.published()
    city.contribute(project, city.owner)
    city.register(project)
    city.pass_time(1)
    city.settle(project)

    assert (project.state, project.failure) == (State.FAILED, "no_contributions")


def test_a_firm_struck_before_the_close_stands_in_the_facts_and_is_not_drawn(city):
    from bidding.supermarket import catalogue
    from bidding.supermarket.models import Admission, Standing

    project = city.published()
    city.contribute(project)
    city.register(project)
    struck = city.db.query(Admission).filter_by(organisation_id=city.firms[0].organisation_id).one()
    catalogue.set_standing(city.db, struck, Standing.SUSPENDED, reason="失信", by=city.authority)
    city.pass_time(1)
    city.settle(project)
    for holder in city.holders:
        holder.release(city.db, project.draw.opening)
    city.settle(project)

    code = struck.organisation.credit_code
    assert [code, "suspended"] in city.bundle(project)["facts"]
    assert code not in project.draw.order
    assert len(project.draw.order) == 4


def test_a_lying_holder_is_named_and_the_others_are_enough(city):
    project = city.closed()
    from ca.ecdsa import Key

    assert city.holders[0].release(city.db, project.draw.opening, key=Key.make()) is openings.Verdict.FALSE_KEY
    assert project.id not in waiting.due(city.db)
    for holder in city.holders[1:]:
        holder.release(city.db, project.draw.opening)
    assert project.id in waiting.due(city.db)
    city.settle(project)

    assert project.state is State.RESULT
    assert set(city.bundle(project)["releases"]) == {seat.holder for seat in project.draw.opening.seats[1:]}


def test_the_bundle_is_what_the_journal_says(city):
    project = city.drawn()

    drawn = next(entry for entry in journal.entries(city.db, project.file) if entry.act.endswith(".drawn"))
    assert drawn.facts["bundle"] == hashlib.sha256(project.draw.bundle.encode()).hexdigest()
    assert drawn.facts["seed"] == project.draw.seed


def test_holders_too_late_to_join_send_the_project_back_to_its_draft(city):
    project = city.submitted(closes_at=city.now() + timedelta(minutes=1))
    assert project.id not in waiting.due(city.db)
    city.pass_time(seconds=58)
    assert project.id in waiting.due(city.db)

    city.settle(project)

    assert project.state is State.DRAFT
    assert project.draw.opening.state is openings.State.CANCELLED
    assert project.id not in waiting.due(city.db)


def test_who_withdrew_or_was_struck_does_not_count_for_the_minimum(city):
    from bidding.supermarket import catalogue
    from bidding.supermarket.models import Admission, Standing

    left, struck = city.published(), city.published()
    for project in (left, struck):
        city.contribute(project)
    [(_, secret), *_] = city.register(left, *city.firms[:3])
    registration.withdraw(city.db, left, secret, keys=city.keys, by=city.firms[0])
    city.register(struck, *city.firms[:3])
    admission = city.db.query(Admission).filter_by(organisation_id=city.firms[1].organisation_id).one()
    catalogue.set_standing(city.db, admission, Standing.BLACKLISTED, reason="弄虚作假", by=city.authority)
    city.pass_time(1)

    assert [city.settle(project).failure for project in (left, struck)] == ["too_few", "too_few"]
