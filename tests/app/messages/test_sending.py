"""Letters by real protocols: SMTP to a mail server, HTTP to an SMS gateway; taken once, tried again when refused."""

import smtplib
from dataclasses import replace

import httpx
import pytest

from app.config import Mode, Settings
from app.messages import sending
from app.messages.models import Letter, Message, Way
from ca.rights import Role
from storage import journal
from tests.app.messages.sinks import mail_server, sms_gateway

WORDS = "“{title}”有一笔退款被银行退回，请处理。"


@pytest.fixture
def letter(db, equipment, person):
    """`letter(Way.EMAIL, "a@b.example", smtp=…)` is a letter in a house with these settings."""

    def make(way: Way, address: str, title: str = "道路工程", **settings) -> Letter:
        db.info["equipment"] = replace(
            equipment, settings=Settings(mode=Mode.TEST, home=equipment.settings.home, **settings)
        )
        entry = journal.record(db, "test/1", "told", by=None)
        message = Message(
            person_id=person(Role.CENTRE_STAFF).id, entry_id=entry.id, says=WORDS, facts={"title": title},
            endpoint="portal.home", values={}, at=entry.at,
        )  # fmt: skip
        db.add(message)
        db.flush()
        made = Letter(message_id=message.id, way=way, address=address)
        db.add(made)
        db.flush()
        return made

    return make


def test_a_mail_arrives_with_its_words(db, letter):
    with mail_server() as box:
        mine = letter(Way.EMAIL, "staff@centre.example", smtp=box.address, mail_from="gongheng@centre.example")
        sending.send(db, letter_id=mine.id)

    [(sender, to, mail)] = box.taken
    assert (sender, to) == ("gongheng@centre.example", ["staff@centre.example"])
    assert mail["Subject"] == "“道路工程”有一笔退款被银行退回，请处理。"
    assert "“道路工程”有一笔退款被银行退回" in mail.get_content()
    assert mail["Message-ID"] == f"<letter-{mine.id}@gongheng>"
    assert (mine.tries, mine.last_answer) == (1, "taken")


def test_a_mail_that_was_taken_is_not_sent_again(db, letter):
    with mail_server() as box:
        mine = letter(Way.EMAIL, "staff@centre.example", smtp=box.address)
        sending.send(db, letter_id=mine.id)
        sending.send(db, letter_id=mine.id)

    assert len(box.taken) == 1


def test_a_refused_mail_is_tried_again_under_the_same_number(db, letter):
    with mail_server() as box:
        box.moods = ["451 come back later"]
        mine = letter(Way.EMAIL, "staff@centre.example", smtp=box.address)
        with pytest.raises(smtplib.SMTPResponseException):
            sending.send(db, letter_id=mine.id)
        assert mine.sent_at is None
        sending.send(db, letter_id=mine.id)

    assert [mail["Message-ID"] for _, _, mail in box.taken] == [f"<letter-{mine.id}@gongheng>"]


def test_a_title_with_a_line_break_writes_no_header(db, letter):
    with mail_server() as box:
        title = "道路\r\nBcc: everybody@world.example"
        mine = letter(Way.EMAIL, "staff@centre.example", title, smtp=box.address)
        sending.send(db, letter_id=mine.id)

    [(_, to, mail)] = box.taken
    assert to == ["staff@centre.example"]
    assert mail["Bcc"] is None
    assert "Bcc" in mail["Subject"]


def test_an_sms_is_handed_to_the_gateway_with_its_number(db, letter):
    with sms_gateway() as gateway:
        mine = letter(Way.SMS, "13800000000", sms_url=gateway.address)
        sending.send(db, letter_id=mine.id)

    text = "“道路工程”有一笔退款被银行退回，请处理。"
    assert gateway.taken == [{"id": f"letter-{mine.id}", "to": "13800000000", "text": text}]
    assert mine.last_answer == "taken, 200"


def test_a_gateway_in_trouble_is_asked_again(db, letter):
    with sms_gateway() as gateway:
        gateway.status = 503
        mine = letter(Way.SMS, "13800000000", sms_url=gateway.address)
        with pytest.raises(httpx.HTTPStatusError):
            sending.send(db, letter_id=mine.id)
        gateway.status = 200
        sending.send(db, letter_id=mine.id)

    assert (len(gateway.taken), mine.tries) == (1, 2)


def test_a_house_without_mail_server_keeps_the_message_in_the_box(db, letter):
    mine = letter(Way.EMAIL, "staff@centre.example")
    sending.send(db, letter_id=mine.id)

    assert mine.last_answer == "no smtp server is set"
