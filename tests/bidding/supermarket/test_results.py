"""Results: objections, declining, and the selection notice."""

import pytest

from bidding.supermarket import publishing, results, waiting
from bidding.supermarket.models import State
from ca.rights import Role
from storage import journal


def test_the_notice_is_issued_when_the_period_is_over(city):
    project = city.drawn()
    with pytest.raises(results.NoticePeriodRuns):
        results.issue(city.db, project)
    assert project.id not in waiting.due(city.db)
    city.pass_time(1)
    assert project.id in waiting.due(city.db)

    city.settle(project)

    assert project.state is State.NOTICE_ISSUED
    assert len(project.check_code) == 12
    facts = journal.entries(city.db, project.file)[-1].facts
    assert facts["code"] == project.check_code
    assert facts["selected"] == project.selected_id
    code = project.check_code
    results.issue(city.db, project)
    assert project.check_code == code
    assert project.id not in waiting.due(city.db)


def test_an_open_objection_holds_the_notice_back(city):
    project = city.drawn()
    objection = results.object_to(city.db, project, "请核对资质", by=city.firms[0])
    city.pass_time(1)
    assert project.id not in waiting.due(city.db)
    with pytest.raises(results.ObjectionsStand):
        results.issue(city.db, project)

    results.answer(city.db, objection, "已核对，符合要求", by=city.owner)
    with pytest.raises(results.AlreadyAnswered):
        results.answer(city.db, objection, "再答", by=city.owner)
    city.settle(project)

    assert project.state is State.NOTICE_ISSUED


def test_who_may_object_and_answer(city):
    project = city.drawn()
    for stranger in (city.owner, city.supervisor, city.person(Role.BIDDER).actor):
        with pytest.raises(results.MayNotObject):
            results.object_to(city.db, project, "异议", by=stranger)
    with pytest.raises(results.EmptyText):
        results.object_to(city.db, project, "  ", by=city.firms[0])
    objection = results.object_to(city.db, project, "异议", by=city.firms[0])
    with pytest.raises(publishing.NotTheOwner):
        results.answer(city.db, objection, "答复", by=city.person(Role.PROJECT_OWNER).actor)
    with pytest.raises(results.EmptyText):
        results.answer(city.db, objection, "", by=city.owner)


def test_objections_end_with_the_period(city):
    project = city.drawn()
    city.pass_time(1)

    with pytest.raises(results.NotOpenToObjections):
        results.object_to(city.db, project, "迟到的异议", by=city.firms[0])


def test_who_declines_is_followed_by_the_next_in_the_same_order(city):
    project = city.drawn()
    order, seed = list(project.draw.order), project.draw.seed
    first = city.selected(project)
    with pytest.raises(results.NotSelected):
        results.decline(city.db, project, reason="不是我", by=next(f for f in city.firms if f != first))

    results.decline(city.db, project, reason="人员冲突", by=first)

    assert project.selected.credit_code == order[1]
    assert (project.draw.order, project.draw.seed, project.state) == (order, seed, State.RESULT)
    with pytest.raises(results.NotSelected):
        results.decline(city.db, project, reason="再来", by=first)


def test_when_all_decline_the_project_fails(city):
    project = city.drawn()
    for _ in range(5):
        results.decline(city.db, project, reason="放弃", by=city.selected(project))

    assert (project.state, project.failure, project.selected_id) == (State.FAILED, "declined", None)


def test_a_winner_may_still_decline_after_the_notice_and_its_code_dies(city):
    project = city.issued()
    results.decline(city.db, project, reason="无力承担", by=city.selected(project))

    assert project.check_code is None
    assert project.state is State.RESULT
