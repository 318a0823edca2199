"""Bundles leave only when the result is public, are made by a job, and made anew when things have moved on."""

import hashlib

import pytest
from sqlalchemy import text

from app.evidence import checks, container, making
from app.evidence.models import EvidenceBundle, Scope
from bidding.supermarket import results
from ca import parties
from ca.rights import Role
from storage import journal
from storage.refusals import NotFound


def orders(db) -> list[dict]:
    rows = db.execute(text("SELECT args FROM procrastinate_jobs WHERE task_name = 'evidence.make' ORDER BY id"))
    return [args for (args,) in rows]


def test_a_bundle_is_ordered_and_then_taken_home(city, client, db, equipment, tmp_path):
    project = city.issued()
    address = f"/evidence/supermarket/{project.id}.zip"

    first = client.get(address)
    assert first.status_code == 409
    assert "证据包正在生成" in first.get_data(as_text=True)
    assert client.api("GET", f"/evidence/supermarket/{project.id}").json["code"] == "being_made"
    assert orders(db) == [{"file": project.file, "scope": "public"}]  # the refusal keeps the order, and only one
    making.make(db, **orders(db)[0])
    answer = client.get(address)

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zip"
    (tmp_path / "home.zip").write_bytes(answer.data)
    found = checks.verify(container.check(tmp_path / "home.zip"), platform=equipment.platform_key.public)
    assert found.ok, found.reason
    told = client.api("GET", f"/evidence/supermarket/{project.id}").json
    assert told["sha256"] == hashlib.sha256(answer.data).hexdigest()
    assert (told["platform_key"], told["bytes"]) == (equipment.platform_key.public.hex(), len(answer.data))
    assert client.http.get(told["url"]).data == answer.data


def test_there_is_none_before_the_result(city, client, db):
    project = city.closed()

    assert client.get(f"/evidence/supermarket/{project.id}.zip").status_code == 404
    assert client.api("GET", f"/evidence/supermarket/{project.id}").json["code"] == "not_public_yet"
    assert orders(db) == []
    with pytest.raises(making.NotPublicYet):
        making.subject(db, "supermarket", project.id)
    with pytest.raises(NotFound):
        making.subject(db, "tender", 999999)


def test_a_tender_under_evaluation_has_none(room, client):
    session = room.signing()

    for address in (f"/evidence/tender/{session.tender_id}.zip", f"/api/evidence/tender/{session.tender_id}.zip"):
        assert client.http.get(address).status_code == 404


def test_it_is_made_anew_when_the_journal_has_moved_on(city, client, db, equipment):
    project = city.drawn()
    making.make(db, file=project.file, scope="public")
    first = client.get(f"/evidence/supermarket/{project.id}.zip")
    assert first.status_code == 200
    making.make(db, file=project.file, scope="public")
    assert db.query(EvidenceBundle).count() == 1
    results.object_to(db, project, "请核对", by=city.firms[0])
    db.flush()

    assert client.get(f"/evidence/supermarket/{project.id}.zip").status_code == 409
    making.make(db, file=project.file, scope="public")

    assert client.get(f"/evidence/supermarket/{project.id}.zip").data != first.data
    newest, oldest = making.earlier(db, project.file, Scope.PUBLIC)
    assert newest.stamp != oldest.stamp
    with equipment.objects.open(oldest.object_key) as source:
        assert source.read() == first.data  # what somebody took home stays true


def test_the_journal_itself_orders_the_bundle(city, db, equipment):
    project = city.closed()
    for entry in journal.entries(db, project.file):
        making.follow(db, entry, equipment)
    assert orders(db) == []
    for holder in city.holders[:2]:
        holder.release(db, project.draw.opening)
    city.settle(project)
    for entry in journal.entries(db, project.file):
        making.follow(db, entry, equipment)

    assert orders(db) == [{"file": project.file, "scope": "public"}]


def test_an_entry_of_the_session_orders_the_tenders_bundle(contracted, db, equipment):
    entry = next(entry for entry in db.query(journal.Entry) if entry.act == "recording.closed")
    making.follow(db, entry, equipment)

    assert orders(db) == [{"file": contracted.file, "scope": "public"}]


def test_supervisions_bundle_is_for_who_may_watch(contracted, room, client, person, db):
    making.make(db, file=contracted.file, scope="supervision")
    making.make(db, file=contracted.file, scope="public")
    address = f"/evidence/tender/{contracted.id}/supervision.zip"
    mine = person(Role.SUPERVISOR)
    mine.region_id = contracted.region_id
    elsewhere = person(Role.SUPERVISOR)
    elsewhere.region_id = parties.add_region(db, "639999", "外地").id
    db.flush()

    assert client.get(address).status_code == 303
    assert client.login(person(Role.BIDDER)).get(address).status_code == 403
    assert client.login(elsewhere).get(address).status_code == 404
    whole = client.login(mine).get(address)
    assert whole.status_code == 200
    assert client.api("GET", address, mine).data == whole.data
    public = client.logout().get(f"/evidence/tender/{contracted.id}.zip")
    assert public.status_code == 200
    assert len(public.data) < len(whole.data)


def test_the_public_bundle_holds_no_sealed_bid_and_no_name_of_an_expert(contracted, room, made):
    bundle = container.check(made(contracted.file))
    told = b"".join(bundle.read(path) for path in bundle.places if not path.startswith(("papers/", "trust/")))

    for seat in room.db.query(type(room.tender)).session.query(making.Panel).one().members:
        assert seat.expert.person.name.encode() not in told.replace("评标专家".encode(), b"")
    assert not any(path.startswith("sealed/") for path in bundle.places)


def test_a_bundle_that_would_not_stand_never_leaves(city, db, monkeypatch):
    project = city.issued()
    monkeypatch.setattr(making.collect, "line_of", lambda entry: '{"act":"other"}')

    with pytest.raises(AssertionError, match="would not stand"):
        making.make(db, file=project.file, scope="public")
    assert db.query(EvidenceBundle).count() == 0
