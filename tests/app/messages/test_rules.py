"""Who is told what: everybody whom it concerns, in time; nobody a secret."""

import re

import pytest

from app import create_app, languages
from app.messages import rules, telling
from app.messages.models import Letter, Message
from bidding.supermarket import results
from bidding.tenders import awards, contracts, notices
from ca import parties
from ca.rights import Role
from evaluation import report, scores, sessions
from evaluation.models import Ground
from storage import journal


def test_owner_and_winner_hear_of_the_result_and_nobody_else(city, boxes):
    project = city.closed()
    before = len(boxes.follow().all())
    for holder in city.holders[:2]:
        holder.release(city.db, project.draw.opening)
    city.settle(project)
    boxes.follow()

    winner = city.selected(project)
    assert any("摇号完成" in said and project.selected.name in said for said in boxes.of(city.owner))
    assert any("贵单位在“道路工程造价咨询”中选" in said for said in boxes.of(winner))
    others = [firm for firm in city.firms if firm != winner]
    assert not any("中选" in said for firm in others for said in boxes.of(firm))
    assert len(boxes.all()) == before + 2


def test_registering_tells_nobody_anything(city, boxes):
    project = city.published()
    city.contribute(project)
    boxes.follow()
    before = [(message.id, message.says) for message in boxes.all()]
    city.register(project)

    assert [(message.id, message.says) for message in boxes.follow().all()] == before


def test_a_published_project_asks_for_chance_and_is_news_for_the_admitted(city, boxes):
    city.published()
    boxes.follow()

    for asked in (city.owner, city.supervisor):
        assert any("密封随机数" in said for said in boxes.of(asked))
    for firm in city.firms:
        assert [said for said in boxes.of(firm)] == [said for said in boxes.of(firm) if said.startswith("新项目")] != []
    assert all(any("新的密钥" in said for said in boxes.of(holder.person.actor)) for holder in city.holders)


def test_the_notice_tells_both_its_code(city, boxes):
    project = city.issued()
    boxes.follow()

    for actor in (city.owner, city.selected(project)):
        assert any(project.check_code in said for said in boxes.of(actor))


def test_an_objection_goes_to_the_owner_and_its_answer_back(city, boxes):
    project = city.drawn()
    objection = results.object_to(city.db, project, "请核对", by=city.firms[0])
    results.answer(city.db, objection, "已核对", by=city.owner)
    boxes.follow()

    assert any("收到异议" in said for said in boxes.of(city.owner))
    assert any("已经答复" in said for said in boxes.of(city.firms[0]))
    assert not any("异议" in said for said in boxes.of(city.firms[1]) if "答复" in said)


def test_who_gives_up_sets_the_owner_going(city, boxes):
    project = city.drawn()
    results.decline(city.db, project, reason="不能承接", by=city.selected(project))

    assert any("放弃中选" in said for said in boxes.follow().of(city.owner))


def test_bidders_hear_at_freeze_opening_and_award(stage, standing, boxes):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until)
    awards.announce_standstill_over(stage.db, tender.id, by=notices.SYSTEM)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)
    boxes.follow()

    person = [stage.db.get(type(buyer), bid.person_id).actor for bid in bids]
    for actor in person:
        said = boxes.of(actor)
        assert any("解密您的投标文件" in line for line in said)
        assert any("已开标" in line for line in said)
    assert any("贵单位中标" in line for line in boxes.of(person[0]))
    assert all(any("已确定中标人" in line for line in boxes.of(actor)) for actor in person[1:])
    told = boxes.of(buyer.actor)
    for words in ("招标公告已发布", "评标完成", "公示期满"):
        assert any(words in line for line in told), words


def test_nothing_is_told_of_bids_before_the_freeze(stage, money, boxes):
    tender = stage.published()
    boxes.follow()
    before = len(boxes.all())
    for _ in range(2):
        stage.submit(tender, stage.bidder())

    assert len(boxes.follow().all()) == before


def test_the_supervisor_of_the_region_is_asked_to_close(stage, opened, boxes):
    tender, _, _ = opened
    region = tender.region_id
    of_the_region = {message.person_id for message in boxes.follow().all() if "签署解密关闭" in message.says}
    assert of_the_region == {person.id for person in rules.supervisors(stage.db, region, None)} != set()
    elsewhere = stage.person("外地监督", Role.SUPERVISOR)
    elsewhere.region_id = parties.add_region(stage.db, "629999", "外地").id
    assert elsewhere.id not in {person.id for person in rules.supervisors(stage.db, region, None)}


def test_a_contract_goes_back_and_forth(stage, standing, boxes):
    tender, buyer, bids = standing
    stage.at(tender.standstill_until)
    awards.award(stage.db, tender, bids[0], by=buyer.actor)
    contract = contracts.draw_up(stage.db, tender, by=buyer.actor)
    contracts.sign(stage.db, contract, by=buyer.actor)
    supplier = stage.db.get(type(buyer), bids[0].person_id).actor
    assert any("合同招标人已确认" in said for said in boxes.follow().of(supplier))
    contracts.sign(stage.db, contract, by=supplier)

    assert any("合同已生效" in said for said in boxes.follow().of(buyer.actor))


def test_a_tender_that_fails_tells_each_bidder_about_itself(stage, money, boxes):
    tender = stage.published()
    bidder = stage.bidder()
    stage.submit(tender, bidder)
    stage.frozen(tender)
    boxes.follow()

    assert [said for said in boxes.of(bidder.actor) if "流标" in said]
    assert not any(re.search(r"\d+ ?[家个]", said) for said in boxes.of(bidder.actor))


def test_experts_alone_hear_that_they_are_called(room, boxes):
    session = room.seated()
    boxes.follow()

    called = {seat.expert.person_id for seat in session.members}
    told = {message.person_id for message in boxes.all() if "抽取为评标专家" in message.says}
    assert told == called
    by_entity = [said for said in boxes.of(room.entity) if "专家" in said]
    assert all("随机数" in said for said in by_entity)


def test_the_one_who_fills_a_seat_is_told_alone(room, boxes):
    from evaluation import experts

    session = room.seated()
    boxes.follow()
    sessions.decline(room.db, session, reason="生病", by=session.members[0].expert.person.actor)
    seat = experts.fill(room.db, session)
    before = {message.id for message in boxes.all()}
    boxes.follow()

    fresh = [message for message in boxes.all() if message.id not in before]
    assert [message.person_id for message in fresh] == [seat.expert.person_id]


def test_the_leader_is_asked_for_consent_and_all_to_sign(room, boxes):
    session = room.handed_in()
    asking = next(seat for seat in session.members if not seat.is_leader)
    bid = room.bids[0].id
    by = asking.expert.person.actor
    scores.ask_change(room.db, session, bid, "plan", "30", ground=Ground.SUM, reason="合计有误", by=by)
    boxes.follow()
    leader = session.leader.expert.person.actor
    told = {message.person_id for message in boxes.all() if "评分修改申请" in message.says}
    assert told == {leader.person_id}
    [change] = room.db.query(scores.Change).all()
    scores.decide_change(room.db, session, change.id, consent=True, by=leader)
    report.compile_(room.db, session, bids=room.opened, by=leader)
    boxes.follow()

    assert all(any("核对后签字" in said for said in boxes.of(seat.expert.person.actor)) for seat in session.members)


def test_an_address_makes_letters_and_none_makes_none(city, boxes, db):
    project = city.closed()
    boxes.follow()
    person = db.get(rules.Person, city.owner.person_id)
    person.email, person.phone = "owner@unit.example", "13800000000"
    for holder in city.holders[:2]:
        holder.release(city.db, project.draw.opening)
    city.settle(project)
    boxes.follow()

    letters = db.query(Letter).all()
    assert sorted((letter.way.value, letter.address) for letter in letters) == [
        ("email", "owner@unit.example"), ("sms", "13800000000"),
    ]  # fmt: skip


def test_a_rule_that_fails_stops_nobody(db, equipment, monkeypatch, caplog):
    def broken(db, entry):
        raise ZeroDivisionError

    monkeypatch.setitem(telling.RULES, "broken", broken)
    telling.follow(db, journal.record(db, "test/1", "broken", by=None), equipment)

    assert db.query(Message).count() == 0


def test_every_message_leads_to_a_door_that_is_there(room, city, boxes, equipment):
    """Of the acts played here, and by their text: each endpoint named in the rules is a door of the house."""
    app = create_app(equipment)
    source = (languages.HOUSE / "app/messages/rules.py").read_text()
    named = set(re.findall(r'"((?:supermarket|tenders|evaluation|deposits|holder|portal)\.\w+)"', source))
    named |= {f"tenders.{page}" for page in re.findall(r', tender, "(\w+)"', source)}
    named |= {f"supermarket.{page}" for page in re.findall(r', project, "(\w+)"', source)}
    rooms_open = set(app.blueprints)
    missing = {name for name in named if name.split(".")[0] in rooms_open and name not in app.view_functions}
    assert missing == set()


SENTENCES = sorted(set(re.findall(r'N_\("([^"]+)"\)', (languages.HOUSE / "app/messages/rules.py").read_text())))


@pytest.mark.parametrize("says", SENTENCES)
def test_every_sentence_has_its_english(says, catalogue):
    assert catalogue.get(says)


@pytest.fixture(scope="module")
def catalogue():
    from babel.messages.pofile import read_po

    with (languages.HOUSE / "app/translations/en.po").open("rb") as source:
        return {message.id: message.string for message in read_po(source)}
