"""The desk: what waits for whom."""

from bidding.supermarket import results
from bidding.supermarket.desk import SENTENCES, desk
from ca.desk import Pile
from ca.rights import Role


def says(city, actor, pile: Pile | None = None) -> list[str]:
    found = desk(city.db, actor)
    assert all(each.says in SENTENCES and (not each.act or each.act in SENTENCES) for each in found)
    return [each.says.format_map(each.facts) for each in found if pile in (None, each.pile)]


def test_owner_and_supervisor_are_asked_for_their_chance_until_they_gave_it(city):
    project = city.published()
    asked = f"“{project.title}”等您提交密封随机数"
    assert says(city, city.owner, Pile.NOW) == [asked]
    assert says(city, city.supervisor, Pile.NOW) == [asked]

    city.contribute(project)

    assert says(city, city.owner, Pile.NOW) == says(city, city.supervisor, Pile.NOW) == []
    assert says(city, city.owner, Pile.COMING) == [f"“{project.title}”当众摇号"]


def test_a_firms_desk_is_the_same_registered_or_not(city):
    project = city.published()
    before = says(city, city.firms[0])
    city.register(project, city.firms[0])

    assert says(city, city.firms[0]) == before == [f"“{project.title}”可以报名"]
    assert says(city, city.person(Role.INTERMEDIARY).actor) == []


def test_the_selected_firm_and_the_owner_hear_of_it(city):
    project = city.drawn()
    assert says(city, city.selected(project), Pile.CHANGED) == [f"贵单位在“{project.title}”中选"]
    assert says(city, city.owner, Pile.CHANGED) == [f"“{project.title}”已公布中选结果"]
    results.object_to(city.db, project, "请核对", by=city.firms[0])
    assert says(city, city.owner, Pile.NOW) == [f"“{project.title}”有异议等您答复"]
