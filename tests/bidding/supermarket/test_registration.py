"""Blind registration: who may, what they get, and what nobody else finds."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from bidding.supermarket import catalogue, publishing, registration
from bidding.supermarket.keys import KeyGone
from bidding.supermarket.models import CELL_BYTES, Admission, Cell, Standing, State
from ca import canonical, ecdsa
from ca.draws import registration as cells
from ca.parties import Organisation
from ca.rights import Actor, Role
from ca.tagged import H
from storage import clock, journal
from storage.db import find
from storage.forms import BEIJING


def cells_of(city) -> list[bytes]:
    return list(city.db.scalars(select(Cell.cell)))


def admission(city, firm: Actor) -> Admission:
    return city.db.query(Admission).filter_by(organisation_id=firm.organisation_id).one()


def test_a_receipt_is_a_signed_proof(city):
    project = city.published()
    [(receipt, _)] = city.register(project, city.firms[0])

    told = receipt.written()
    signature = bytes.fromhex(told.pop("signature"))
    assert ecdsa.verify(city.keys.platform.public, H("receipt", canonical.encode(told)), signature)
    assert cells.entry_of(told["body"], bytes.fromhex(told["salt"])).hex() == told["entry"]
    [raw] = cells_of(city)
    assert cells.log_leaf(raw[:32], cells.rest_of(raw)).hex() == told["leaf"]


def test_registering_again_gives_the_receipt_one_has(city):
    project = city.published()
    [(first, _)] = city.register(project, city.firms[0])
    [(again, _)] = city.register(project, city.firms[0])

    assert again.entry == first.entry
    assert len(cells_of(city)) == 1


def test_one_sees_ones_own_receipt_and_nobody_elses(city):
    project = city.published()
    [(mine, _)] = city.register(project, city.firms[0])

    found = registration.receipt(city.db, project, keys=city.keys, by=city.firms[0])
    assert found is not None
    assert found.entry == mine.entry
    assert registration.receipt(city.db, project, keys=city.keys, by=city.firms[1]) is None
    for other in (city.owner, city.supervisor, city.authority):
        with pytest.raises(registration.NotAnIntermediary):
            registration.receipt(city.db, project, keys=city.keys, by=other)


def test_registering_leaves_no_trace_but_a_cell(city):
    project = city.published()
    before = counts(city)
    city.register(project, city.firms[0])
    after = counts(city)

    assert {table: after[table] - before[table] for table in after if after[table] != before[table]} == {
        "supermarket_cell": 1
    }


def counts(city) -> dict[str, int]:
    tables = city.db.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).all()
    return {table: city.db.scalar(text(f"SELECT count(*) FROM {table}")) for table in tables}


def test_cells_are_of_one_size_and_say_nothing(city):
    project = city.published()
    receipts = city.register(project)
    registration.withdraw(city.db, project, receipts[0][1], keys=city.keys, by=city.firms[0])

    rows = city.db.execute(select(Cell.entry, Cell.cell, Cell.once, Cell.hour)).all()
    assert {len(row.cell) for row in rows} == {CELL_BYTES}
    assert len(rows) == 6
    assert all(row.hour.minute == row.hour.second == row.hour.microsecond == 0 for row in rows)
    known = [project.number.encode(), str(project.id).encode()]
    known += [find(city.db, Organisation, firm.organisation_id).credit_code.encode() for firm in city.firms]
    whole = b"".join(row.entry + row.cell + row.once for row in rows)
    assert not any(word in whole for word in known if len(word) > 4)


def test_without_the_day_key_a_cell_is_noise_and_once_links_to_nobody(city):
    project = city.published()
    city.register(project, city.firms[0])
    [row] = city.db.scalars(select(Cell)).all()
    code = find(city.db, Organisation, city.firms[0].organisation_id).credit_code

    with pytest.raises(cells.NotRegistration):
        cells.open_cell(bytes(32), row.cell)
    assert cells.once(bytes(32), project.number, code) != row.once
    assert cells.once(city.keys.days.of(project.published_at), project.number, code) == row.once


@pytest.mark.parametrize("role", [r for r in Role if r is not Role.INTERMEDIARY])
def test_only_intermediaries_register(city, role):
    project = city.published()
    somebody = city.person(role).actor

    with pytest.raises(registration.NotAnIntermediary):
        registration.register(city.db, project, {}, keys=city.keys, by=somebody)
    with pytest.raises(registration.NotAnIntermediary):
        registration.withdraw(city.db, project, bytes(32), keys=city.keys, by=somebody)


def refused_with(city, project, firm: Actor) -> str:
    with pytest.raises(registration.NotEligible) as no:
        city.register(project, firm)
    return no.value.facts["reason"]


def test_each_reason_not_to_be_eligible_is_told(city):
    draft = city.draft()
    recused = find(city.db, Organisation, city.firms[0].organisation_id)
    publishing.recuse(city.db, draft, recused, reason="股权关系", by=city.owner)
    publishing.publish(city.db, draft, city.now() + timedelta(hours=1), by=city.owner)
    for holder in city.holders:
        holder.join(city.db, draft.draw.opening)
    from ca import openings
    from ca.rights import SYSTEM

    openings.close_params(city.db, draft.draw.opening, by=SYSTEM)
    city.settle(draft)
    catalogue.set_standing(
        city.db, admission(city, city.firms[1]), Standing.SUSPENDED, reason="二次违约", by=city.authority
    )
    catalogue.set_standing(
        city.db, admission(city, city.firms[2]), Standing.BLACKLISTED, reason="弄虚作假", by=city.authority
    )
    admission(city, city.firms[3]).valid_until = city.now() - timedelta(minutes=1)
    city.db.flush()
    stranger = city.person(Role.INTERMEDIARY).actor

    assert [refused_with(city, draft, firm) for firm in [*city.firms[:4], stranger]] == [
        registration.REASONS[reason] for reason in ("recused", "suspended", "blacklisted", "expired", "not_admitted")
    ]
    assert len(city.register(draft, city.firms[4])) == 1


def test_the_owner_never_registers_for_its_own_project(city):
    organisation = find(city.db, Organisation, city.owner.organisation_id)
    now = city.now()
    catalogue.admit(
        city.db, organisation, city.item, now - timedelta(days=1), now + timedelta(days=9), by=city.authority
    )
    both = Actor(city.owner.person_id, "", organisation.id, frozenset({Role.INTERMEDIARY, Role.PROJECT_OWNER}))

    assert refused_with(city, city.published(), both) == registration.REASONS["owner"]


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"project": "ZJ-2026-999999"}, "statement_sig"),
        ({"statement_sig": "00" * 64}, "statement_sig"),
        ({"share": "00" * 31}, "fields"),
        ({"share": "AB" * 32}, "fields"),
        ({"kind": "withdraw"}, "fields"),
        ({"more": "x"}, "fields"),
        ({"w": 7}, "fields"),
    ],
)
def test_what_a_client_may_not_hand_in(city, wrong, what):
    project = city.published()
    body, _ = city.body(project, city.firms[0])

    with pytest.raises(registration.BadRegistration) as no:
        registration.register(city.db, project, body | wrong, keys=city.keys, by=city.firms[0])
    assert no.value.facts["what"] == what
    assert not cells_of(city)


def test_a_well_signed_registration_of_somebody_else_is_refused(city):
    project, other = city.published(), city.published()
    for body in (city.body(project, city.firms[1])[0], city.body(other, city.firms[0])[0]):
        with pytest.raises(registration.BadRegistration):
            registration.register(city.db, project, body, keys=city.keys, by=city.firms[0])


def test_nobody_withdraws_without_the_secret(city):
    project = city.published()
    [(_, secret)] = city.register(project, city.firms[0])

    with pytest.raises(registration.WrongSecret):
        registration.withdraw(city.db, project, bytes(32), keys=city.keys, by=city.firms[0])
    with pytest.raises(registration.NotRegistered):
        registration.withdraw(city.db, project, secret, keys=city.keys, by=city.firms[1])

    registration.withdraw(city.db, project, secret, keys=city.keys, by=city.firms[0])
    assert registration.receipt(city.db, project, keys=city.keys, by=city.firms[0]) is None
    with pytest.raises(registration.NotRegistered):
        registration.withdraw(city.db, project, secret, keys=city.keys, by=city.firms[0])


@pytest.mark.parametrize(("seconds", "in_time"), [(-60, True), (0, False), (3600, False)])
def test_the_databases_clock_ends_the_registration(city, seconds, in_time):
    project = city.published()
    gap = project.closes_at - clock.database(city.db)
    city.pass_time(seconds=gap.total_seconds() + seconds)

    if in_time:
        assert city.register(project, city.firms[0])
    else:
        with pytest.raises(registration.NotOpen):
            city.register(project, city.firms[0])
        assert not cells_of(city)


def test_two_projects_of_one_day_share_the_table_and_nothing_else(city):
    one, two = city.published(), city.published()
    city.register(one, *city.firms[:2])
    city.register(two, *city.firms[1:])

    assert len(registration.of_project(city.db, one, city.keys)) == 2
    assert len(registration.of_project(city.db, two, city.keys)) == 4
    assert registration.receipt(city.db, two, keys=city.keys, by=city.firms[0]) is None


def test_a_destroyed_day_key_ends_all_reading_and_is_never_replaced(city):
    project = city.published()
    city.register(project)
    city.keys.days.destroy(project.published_at.astimezone(BEIJING).date())

    with pytest.raises(KeyGone):
        registration.of_project(city.db, project, city.keys)
    with pytest.raises(KeyGone):
        city.register(project, city.firms[0])
    city.pass_time(1)
    with pytest.raises(KeyGone):
        city.settle(project)
    assert project.state is State.REGISTRATION


def test_no_act_of_registration_is_journalled(city):
    project = city.published()
    before = len(journal.entries(city.db, project.file))
    [(_, secret), *_] = city.register(project)
    registration.withdraw(city.db, project, secret, keys=city.keys, by=city.firms[0])

    assert len(journal.entries(city.db, project.file)) == before
