"""Papers: each act that asks for one gets one, with its seal, its QR and a code that anybody can check."""

import hashlib
import re
import subprocess

import pytest

from app.documents import issuing, papers, signing
from bidding.supermarket import results
from bidding.tenders import awards
from ca.pdf_signatures import verify_pdf
from evaluation import report
from storage import clock, journal


def text_of(pdf: bytes) -> str:
    told = subprocess.run(["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True)
    return re.sub(r"\s", "", told.stdout.decode())


@pytest.fixture
def signed_session(room):
    session = room.signing()
    for seat in session.members:
        report.sign(room.db, session, dissent=None, key=room.stage.key, by=seat.expert.person.actor)
    return session


def test_the_selection_notice_carries_the_code_that_the_project_shows(city, issued, client):
    project = city.issued()

    document, pdf = issued(project.file, "supermarket_project.notice_issued")

    assert document.code.replace("-", "") == project.check_code
    told = text_of(pdf)
    firm = project.selected
    for words in ("中选通知书", project.number, firm.name, firm.credit_code, "贰拾万元整", document.code):
        assert words in told, words
    page = client.get(f"/verify/{project.check_code}")  # as it stands on the project's page, without strokes
    assert page.status_code == 200
    assert document.sha256 in page.get_data(as_text=True)
    answer = client.get(f"/verify/{document.code}/paper.pdf")
    assert hashlib.sha256(answer.data).hexdigest() == document.sha256


def test_a_paper_is_issued_once_and_the_journal_says_so(city, issued, db):
    project = city.issued()
    first, _ = issued(project.file, "supermarket_project.notice_issued")
    again, _ = issued(project.file, "supermarket_project.notice_issued")

    assert first.id == again.id
    told = [entry for entry in journal.entries(db, project.file) if entry.act == "document.issued"]
    assert [entry.facts["sha256"] for entry in told] == [first.sha256]


def test_who_gives_up_leaves_a_void_notice(city, issued, db, client):
    project = city.issued()
    document, _ = issued(project.file, "supermarket_project.notice_issued")
    results.decline(db, project, reason="不能承接", by=city.selected(project))
    entry = next(entry for entry in journal.entries(db, project.file) if entry.act == "supermarket_project.declined")

    issuing.void(db, entry_id=entry.id)
    db.flush()

    assert document.void_at == entry.at
    assert "失效" in client.get(f"/verify/{document.code}").get_data(as_text=True)
    nothing, _ = issued(project.file, "supermarket_project.notice_issued")
    assert nothing is document


def test_the_opening_record_reads_out_every_price(stage, opened, issued):
    tender, _, bids = opened

    document, pdf = issued(tender.file, "tender.opened")

    told = text_of(pdf)
    for words in ("开标记录", tender.number, "800000.00", "790000.00", "810000.00", bids[0].digest[:16]):
        assert words in told, words
    assert (document.is_public, document.kind) == (True, "opening_record")


def test_the_letter_of_award_names_winner_and_price(stage, standing, issued):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)

    document, pdf = issued(tender.file, "tender.awarded")

    told = text_of(pdf)
    assert all(words in told for words in ("中标通知书", bids[0].bidder.name, "¥800000.00", "捌拾万元整"))
    assert document.is_public


def test_the_panels_papers_wait_for_the_result(room, signed_session, issued, client):
    session = signed_session
    record, drawn = issued(session.file, "evaluation_session.seated")
    document, pdf = issued(session.file, "evaluation_session.finished")
    assert client.get(f"/verify/{document.code}").status_code == 404
    assert client.get(f"/verify/{record.code}/paper.pdf").status_code == 404

    awards.publish_candidates(room.db, room.tender, by=room.entity)
    issuing.reveal(room.db, file=session.file)
    room.db.flush()

    assert client.get(f"/verify/{document.code}").status_code == 200
    assert client.get(f"/verify/{record.code}").status_code == 200
    told = text_of(pdf)
    assert "评标报告" in told
    assert session.tender.number in told
    assert "member-" not in told  # nobody learns who gave which score
    for line in room.tender.ranking:
        assert line["score"] in told
    assert text_of(drawn).count("入选") == 5


def test_papers_made_after_the_result_are_public_at_once(room, signed_session, issued):
    awards.publish_candidates(room.db, room.tender, by=room.entity)

    document, _ = issued(signed_session.file, "evaluation_session.finished")

    assert document.is_public


def test_with_a_seal_every_reader_shows_the_signature(city, issued, cas, equipment):
    cas.save(equipment.settings.home / "ca")
    project = city.issued()

    document, pdf = issued(project.file, "supermarket_project.notice_issued")

    verdict = verify_pdf(pdf, trust=cas.trust, at=clock.now(), crls=cas.lists())
    assert verdict.good
    assert verdict.signatures[0].field == signing.FIELD
    assert document.sha256 == hashlib.sha256(pdf).hexdigest()
    spoiled = bytearray(pdf)
    spoiled[len(pdf) // 4] ^= 1
    assert not verify_pdf(bytes(spoiled), trust=cas.trust, at=clock.now(), crls=cas.lists()).good


def test_without_a_seal_the_paper_leaves_unsigned(city, issued, cas, equipment):
    project = city.issued()

    _, pdf = issued(project.file, "supermarket_project.notice_issued")

    assert signing.keyholder(equipment.settings) is None
    assert b"/AcroForm" not in pdf


def test_the_journal_orders_papers_in_turn(city, db, equipment, monkeypatch):
    ordered = []
    monkeypatch.setattr(issuing.jobs, "later", lambda db, name, **given: ordered.append((name, given.get("lock"))))
    project = city.issued()
    for entry in journal.entries(db, project.file):
        issuing.follow(db, entry, equipment)

    assert ordered == [("documents.issue", f"documents/{project.file}")]
    assert set(issuing.PAPERS) >= {"tender.opened", "tender.awarded", "evaluation_session.finished"}
    assert papers.CENTRE


def test_nothing_runs_over_the_edge_of_the_page(stage, opened, issued):
    """A long name without a space and every digest stay on the page (A4 is 595 points wide)."""
    tender, _, bids = opened
    bids[0].bidder.name = "Example" * 17
    stage.db.flush()

    _, pdf = issued(tender.file, "tender.opened")

    told = subprocess.run(["pdftotext", "-bbox", "-", "-"], input=pdf, capture_output=True, check=True).stdout.decode()
    assert max(float(edge) for edge in re.findall(r'xMax="([\d.]+)"', told)) < 595 - 60  # punctuation may hang a little
    assert " ".join(tender.freeze_root[place : place + 8] for place in (0, 8)).replace(" ", "") in text_of(pdf)
