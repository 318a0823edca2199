"""The catalogue: who keeps an item, who is admitted for it, and how they stand."""

from datetime import timedelta

import pytest

from bidding.supermarket import catalogue
from bidding.supermarket.models import Admission, Standing
from ca.parties import Organisation
from ca.rights import Role
from storage import journal
from storage.db import find


def firm_of(city, place: int = 0) -> Organisation:
    return find(city.db, Organisation, city.firms[place].organisation_id)


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.AUTHORITY])
def test_only_authorities_add_items(city, role):
    with pytest.raises(catalogue.NotTheAuthority):
        catalogue.add_item(city.db, "ZJ-009", "测绘", by=city.person(role).actor)


def test_a_code_names_one_item(city):
    with pytest.raises(catalogue.ItemExists):
        catalogue.add_item(city.db, city.item.code, "另一个事项", by=city.authority)


def test_another_authority_neither_admits_nor_judges(city):
    other, now = city.person(Role.AUTHORITY).actor, city.now()
    admission = city.db.query(Admission).filter_by(organisation_id=firm_of(city).id).one()

    with pytest.raises(catalogue.NotTheAuthority):
        catalogue.admit(city.db, firm_of(city), city.item, now, now + timedelta(days=1), by=other)
    with pytest.raises(catalogue.NotTheAuthority):
        catalogue.set_standing(city.db, admission, Standing.BLACKLISTED, reason="x", by=other)
    assert admission.standing is Standing.GOOD


def test_a_period_ends_after_it_begins(city):
    now = city.now()
    with pytest.raises(catalogue.WrongPeriod):
        catalogue.admit(city.db, firm_of(city), city.item, now, now, by=city.authority)


def test_admitting_again_is_a_new_period_of_the_same_admission(city):
    now, before = city.now(), len(catalogue.admissions(city.db, city.item))
    again = catalogue.admit(city.db, firm_of(city), city.item, now, now + timedelta(days=9), by=city.authority)

    assert again.valid_until == now + timedelta(days=9)
    assert len(catalogue.admissions(city.db, city.item)) == before


def test_a_decision_is_journalled_once(city):
    admission = city.db.query(Admission).filter_by(organisation_id=firm_of(city).id).one()
    for _ in range(2):
        catalogue.set_standing(city.db, admission, Standing.SUSPENDED, reason="二次违约", by=city.authority)

    told = [e for e in journal.entries(city.db, f"item/{city.item.id}") if e.act == "admission.standing"]
    assert [entry.facts["reason"] for entry in told] == ["二次违约"]
