"""Pages and calls: the whole day through the doors, and what each door refuses."""

import base64
import io
import re
from datetime import timedelta

import pytest

from bidding.tenders.bids import Bid, BidState
from bidding.tenders.models import State, Tender
from ca.parties import Person
from ca.rights import Role
from tests.bidding.tenders.sweeping import sweep


def ok(answer, *codes):
    assert answer.status_code in (codes or (200,)), (answer.status_code, answer.get_data(as_text=True)[:3000])
    return answer


def page(client, person, path, code=200):
    client.login(person) if person else client.logout()
    text = ok(client.get(path), code).get_data(as_text=True)
    assert "{{" not in text
    return text


def post(client, person, path, code=303, **fields):
    client.login(person)
    return ok(client.post(path, data=fields, content_type="multipart/form-data"), code)


def fresh(stage, row):
    stage.db.expire_all()
    return stage.db.get(type(row), row.id)


def send(client, person, tender, content, piece=70_000):
    """Upload through the tus door of the API; the id of the upload."""
    begun = ok(
        client.api("POST", f"/tenders/{tender.id}/uploads", person, headers={"Upload-Length": str(len(content))}), 201
    )
    address = begun.headers["Location"].removeprefix("/api")
    while True:
        told = ok(client.api("HEAD", address, person))
        offset = int(told.headers["Upload-Offset"])
        if offset == len(content):
            return address.rpartition("/")[2]
        ok(
            client.api(
                "PATCH", address, person, data=content[offset : offset + piece],
                headers={"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"},
            ),
            204,
        )  # fmt: skip


def handed_in(client, stage, tender, person, price="800000.00"):
    made = stage.make(tender, person, price)
    ok(client.api("POST", f"/tenders/{tender.id}/registration", person))
    upload = send(client, person, tender, made.file)
    told = ok(
        client.api(
            "POST", f"/tenders/{tender.id}/bids", person,
            json={"upload": upload, "signature": base64.b64encode(made.signature).decode()},
        ), 202,
    ).get_json()  # fmt: skip
    assert told["state"] == "verifying"
    sweep(client.app, stage)
    told = ok(client.api("GET", f"/tenders/bids/{told['id']}", person)).get_json()
    assert (told["state"], told["refused"]) == ("sealed", None)
    stage.made[told["id"]] = made
    return told["id"]


def drafted_through_pages(client, stage, buyer, holders):
    start = stage.terms([]).submission_deadline
    spoken = {
        name: (start + timedelta(seconds=plus)).isoformat()
        for name, plus in (("submission_deadline", 0), ("unlock_until", 30), ("release_until", 90))
    }
    answer = post(
        client, buyer, "/tenders/new", name="示例道路工程", description="一段说明", budget="1000000",
        ceiling_price="900000", deposit_amount="0", own_holder=str(buyer.id), method="comprehensive",
        holders=[str(person.id) for person in holders[1:]], threshold="3", **spoken,
    )  # fmt: skip
    number = int(re.search(r"/tenders/(\d+)/", answer.headers["Location"]).group(1))
    return stage.db.get(Tender, number)


def test_a_day_through_the_doors(client, stage):
    buyer, supervisor = stage.buyer(), stage.supervisor()
    holders = stage.holders(buyer)
    stage.certificate(supervisor)
    stage.db.flush()
    page(client, buyer, "/tenders/new")
    tender = drafted_through_pages(client, stage, buyer, holders)
    page(client, buyer, f"/tenders/{tender.id}/documents")
    post(
        client, buyer, f"/tenders/{tender.id}/documents", kind="bidding_documents",
        file=(io.BytesIO(b"%PDF-1.7 x"), "招标文件.pdf"),
    )  # fmt: skip
    assert "招标文件.pdf" in page(client, buyer, f"/tenders/{tender.id}/publication")
    page(client, None, f"/tenders/{tender.id}", 404)
    post(client, buyer, f"/tenders/{tender.id}/publication")
    tender = fresh(stage, tender)
    assert tender.state is State.JOINING
    page(client, buyer, f"/tenders/{tender.id}")
    stage.join_all(tender)
    sweep(client.app, stage)
    text = page(client, None, f"/tenders/{tender.id}")
    assert tender.params_hash in text
    assert "示例道路工程" in page(client, None, "/tenders?q=道路")
    got = ok(client.get(f"/tenders/{tender.id}/documents/{tender.documents[0].id}"))
    assert (got.data, got.headers["X-SHA256"]) == (b"%PDF-1.7 x", tender.documents[0].sha256)
    assert ok(client.get(f"/tenders/{tender.id}/params.json")).data == tender.opening.params.encode()

    bidders = [stage.bidder() for _ in range(3)]
    stage.db.flush()
    page(client, bidders[0], f"/tenders/{tender.id}/registration")
    post(client, bidders[0], f"/tenders/{tender.id}/registration")
    page(client, bidders[0], f"/tenders/{tender.id}/registration")
    page(client, bidders[0], f"/tenders/{tender.id}/bids/new")
    ids = [
        handed_in(client, stage, tender, person, price)
        for person, price in zip(bidders, ("800000.00", "790000.50", "810000.00"), strict=True)
    ]
    assert "下载回执" in page(client, bidders[0], f"/tenders/bids/{ids[0]}")
    assert b'"leaf"' in ok(client.get(f"/tenders/bids/{ids[0]}/receipt")).data
    page(client, bidders[1], f"/tenders/bids/{ids[0]}", 404)
    page(client, None, f"/tenders/{tender.id}/hall", 404)

    stage.at(tender.submission_deadline)
    sweep(client.app, stage)
    text = page(client, None, f"/tenders/{tender.id}/hall")
    assert all(person.organisation.name in text for person in bidders)
    page(client, bidders[0], f"/tenders/{tender.id}/unlock")
    kb = stage.made[ids[0]].sealed.kb.hex()
    assert "解密密钥与投标文件不符" in post(
        client, bidders[0], f"/tenders/{tender.id}/unlock", 422, kb="00" * 32
    ).get_data(as_text=True)
    post(client, bidders[0], f"/tenders/{tender.id}/unlock", kb=kb)
    for person, bid_id in list(zip(bidders, ids, strict=True))[1:]:
        told = ok(
            client.api(
                "POST", f"/tenders/bids/{bid_id}/unlock", person, json={"kb": stage.made[bid_id].sealed.kb.hex()}
            )
        ).get_json()
        assert told["receipt"]["name"] == "unlocked"

    stage.at(tender.unlock_until)
    sweep(client.app, stage)
    page(client, supervisor, f"/tenders/{tender.id}/close")
    asked = ok(client.api("GET", f"/tenders/{tender.id}/close", supervisor)).get_json()
    message = ok(client.get(f"/tenders/{tender.id}/close/message")).data
    assert (message.hex(), asked["bids"], asked["unlocked"]) == (asked["message"], 3, 3)
    stage.at(tender.unlock_until, timedelta(seconds=1))
    post(
        client, supervisor, f"/tenders/{tender.id}/close",
        signature=(io.BytesIO(stage.sign(supervisor, message)), "close.p7s"),
    )  # fmt: skip
    tender = fresh(stage, tender)
    assert tender.state is State.CLOSED
    stage.release(tender)
    sweep(client.app, stage)
    sweep(client.app, stage)
    tender = fresh(stage, tender)
    assert tender.state is State.OPENED
    text = page(client, None, f"/tenders/{tender.id}/hall")
    assert "790,000.50" in text
    assert "柒拾玖万元伍角" in text
    live = ok(client.get(f"/tenders/{tender.id}/hall/live"))
    known = {"If-None-Match": live.headers["ETag"]}
    assert client.get(f"/tenders/{tender.id}/hall/live", headers=known).status_code == 304
    assert ok(client.get(f"/tenders/{tender.id}/transcript.json")).data == ok(
        client.api("GET", f"/tenders/{tender.id}/transcript")
    ).data

    page(client, bidders[0], f"/tenders/{tender.id}/confirmation")
    post(client, bidders[0], f"/tenders/{tender.id}/confirmation")
    page(client, bidders[1], f"/tenders/{tender.id}/objections/new")
    post(client, bidders[1], f"/tenders/{tender.id}/objections/new", words="<script>alert(1)</script>第三家报价有误")
    text = page(client, buyer, f"/tenders/{tender.id}/hall")
    assert "&lt;script&gt;" in text
    assert "<script>alert" not in text
    number = int(re.search(r"/tenders/objections/(\d+)/answer", text).group(1))
    page(client, buyer, f"/tenders/objections/{number}/answer")
    post(client, buyer, f"/tenders/objections/{number}/answer", words="已核对，无误。")

    expert = stage.person("专家", Role.EXPERT)
    from bidding.tenders import awards

    ranking = [{"bid_id": bid_id, "place": place, "score": f"{90 - place}.00"} for place, bid_id in enumerate(ids, 1)]
    awards.receive_ranking(stage.db, tender, ranking, {"digest": "ab" * 32}, by=expert.actor)
    stage.db.flush()
    page(client, buyer, f"/tenders/{tender.id}/candidates")
    post(client, buyer, f"/tenders/{tender.id}/candidates")
    tender = fresh(stage, tender)
    assert bidders[0].organisation.name in page(client, None, f"/tenders/{tender.id}")
    page(client, buyer, f"/tenders/{tender.id}/award")
    answer = post(client, buyer, f"/tenders/{tender.id}/award", 409, bid=ids[0])
    assert "公示期到" in answer.get_data(as_text=True)
    stage.at(tender.standstill_until)
    sweep(client.app, stage)
    post(client, buyer, f"/tenders/{tender.id}/award", bid=ids[0])
    page(client, buyer, f"/tenders/{tender.id}/contract")
    page(client, bidders[1], f"/tenders/{tender.id}/contract", 404)
    post(client, buyer, f"/tenders/{tender.id}/contract")
    ok(client.api("POST", f"/tenders/{tender.id}/contract/signature", bidders[0]))
    assert fresh(stage, tender).state is State.CONTRACTED
    for person in (None, buyer, *bidders, supervisor):
        page(client, person, f"/tenders/{tender.id}")
        page(client, person, f"/tenders/{tender.id}/hall")


def test_the_whole_life_by_calls(client, stage):
    buyer, supervisor = stage.buyer(), stage.supervisor()
    holders = stage.holders(buyer)
    stage.certificate(supervisor)
    stage.db.flush()
    told = ok(client.api("GET", "/tenders/holders", buyer)).get_json()["holders"]
    assert {person.id for person in holders} <= {one["id"] for one in told}
    terms = stage.terms(holders)
    body = {
        "name": terms.name, "budget": "1000000", "deposit_amount": "0", "holders": list(terms.holders),
        "submission_deadline": terms.submission_deadline.isoformat(), "unlock_until": terms.unlock_until.isoformat(),
        "release_until": terms.release_until.isoformat(), "evaluation": {"price_weight": "40"},
    }  # fmt: skip
    made = ok(client.api("POST", "/tenders", buyer, json=body), 201).get_json()
    path = f"/tenders/{made['id']}"
    ok(client.api("PUT", path, buyer, json=body | {"name": "改名"}))
    ok(client.api("POST", f"{path}/documents?name=招标文件.pdf", buyer, data=b"%PDF"), 201)
    assert client.api("GET", path).status_code == 404
    ok(client.api("POST", f"{path}/publication", buyer))
    tender = stage.db.get(Tender, made["id"])
    stage.join_all(tender)
    sweep(client.app, stage)
    told = ok(client.api("GET", path)).get_json()
    assert (told["state"], told["name"], told["evaluation"]) == ("published", "改名", {"price_weight": "40"})
    bidders = [stage.bidder() for _ in range(3)]
    stage.db.flush()
    ids = [handed_in(client, stage, tender, person) for person in bidders]
    ok(client.api("POST", f"/tenders/bids/{ids[2]}/withdrawal", bidders[2]))
    assert ok(client.api("GET", f"{path}/registration", bidders[2])).get_json()["next_seq"] == 2
    assert len(ok(client.api("GET", f"{path}/bids", bidders[0])).get_json()["bids"]) == 1
    ok(client.api("POST", f"{path}/cancellation", buyer, json={"reason": "采购任务取消"}))
    assert fresh(stage, tender).state is State.CANCELLED
    assert client.api("GET", f"{path}/hall").status_code == 404


def test_a_late_bid_is_refused_and_kept_as_a_fact(client, stage):
    tender, bidder = stage.published(), stage.bidder()
    stage.db.flush()
    made = stage.make(tender, bidder)
    ok(client.api("POST", f"/tenders/{tender.id}/registration", bidder))
    upload = send(client, bidder, tender, made.file)
    stage.at(tender.submission_deadline)
    told = ok(
        client.api(
            "POST", f"/tenders/{tender.id}/bids", bidder,
            json={"upload": upload, "signature": base64.b64encode(made.signature).decode()},
        ), 409,
    ).get_json()  # fmt: skip
    assert told["code"] == "too_late"
    (late,) = stage.db.query(Bid).filter_by(tender_id=tender.id)
    assert late.state is BidState.LATE_REJECTED


def test_a_refused_bid_says_why(client, stage):
    tender, bidder = stage.published(), stage.bidder()
    stage.db.flush()
    ok(client.api("POST", f"/tenders/{tender.id}/registration", bidder))
    upload = send(client, bidder, tender, b"%PDF not sealed")
    signature = base64.b64encode(stage.sign(bidder, b"%PDF not sealed")).decode()
    told = client.api(
        "POST", f"/tenders/{tender.id}/bids", bidder, json={"upload": upload, "signature": signature}
    ).get_json()
    assert "正在核验" in page(client, bidder, f"/tenders/bids/{told['id']}")
    sweep(client.app, stage)
    live = client.get(f"/tenders/bids/{told['id']}/live")
    assert live.headers["X-Live"] == "reload"
    text = page(client, bidder, f"/tenders/bids/{told['id']}")
    assert "NOT_SEALED" in text
    assert "不是加密投标文件" in text


def test_without_scripts_the_form_carries_the_file(client, stage):
    tender, bidder = stage.published(), stage.bidder()
    stage.db.flush()
    made = stage.make(tender, bidder)
    post(client, bidder, f"/tenders/{tender.id}/registration")
    answer = post(
        client, bidder, f"/tenders/{tender.id}/bids/new", upload="",
        sealed=(io.BytesIO(made.file), "bid.sealed"), signature=(io.BytesIO(made.signature), "bid.sealed.p7s"),
    )  # fmt: skip
    sweep(client.app, stage)
    assert "下载回执" in page(client, bidder, answer.headers["Location"])


def test_the_browsers_upload_speaks_tus(client, stage):
    tender, bidder = stage.published(), stage.bidder()
    stage.db.flush()
    made = stage.make(tender, bidder)
    post(client, bidder, f"/tenders/{tender.id}/registration")
    begun = ok(client.post(f"/tenders/{tender.id}/uploads", headers={"Upload-Length": str(len(made.file))}), 201)
    address = begun.headers["Location"]
    headers = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    ok(client.http.patch(address, data=made.file, headers=headers), 204)
    assert client.http.patch(address, data=b"x", headers=headers).status_code == 409
    post(
        client, bidder, f"/tenders/{tender.id}/bids/new", upload=address,
        signature=(io.BytesIO(made.signature), "bid.p7s"),
    )  # fmt: skip
    stranger = stage.bidder()
    stage.db.flush()
    client.login(stranger)
    assert client.http.head(address).status_code == 404
    assert client.http.options(f"/tenders/{tender.id}/uploads").headers["Tus-Version"] == "1.0.0"


@pytest.mark.parametrize("headers", [
    {}, {"Upload-Length": "x"}, {"Upload-Length": "-1"}, {"Upload-Length": "1e3"}, {"Upload-Length": "9" * 30},
])  # fmt: skip
def test_tus_with_strange_headers(client, stage, headers):
    tender, bidder = stage.published(), stage.bidder()
    stage.db.flush()
    ok(client.api("POST", f"/tenders/{tender.id}/registration", bidder))
    answer = client.api("POST", f"/tenders/{tender.id}/uploads", bidder, headers=headers)
    assert (answer.status_code, answer.get_json()["code"]) == (422, "not_tus")


def test_forms_keep_what_was_typed(client, stage):
    buyer = stage.buyer()
    stage.holders(buyer)
    stage.db.flush()
    answer = post(client, buyer, "/tenders/new", 422, name="只填了名称", budget="many")
    text = answer.get_data(as_text=True)
    assert "只填了名称" in text
    assert 'href="#field-budget"' in text


@pytest.mark.parametrize(("role", "path"), [
    (Role.BIDDER, "/tenders/new"), (Role.SUPERVISOR, "/tenders/{}/edit"), (Role.BIDDER, "/tenders/{}/publication"),
    (Role.PROCURING_ENTITY, "/tenders/{}/registration"), (Role.SUPERVISOR, "/tenders/{}/bids/new"),
    (Role.BIDDER, "/tenders/{}/close"), (Role.PROCURING_ENTITY, "/tenders/{}/unlock"),
])  # fmt: skip
def test_doors_that_are_not_theirs(client, stage, role, path):
    tender = stage.published()
    stranger = stage.person("别人", role)
    stage.db.flush()
    page(client, stranger, path.format(tender.id), 403)


@pytest.mark.parametrize("path", [
    "/tenders/{}/edit", "/tenders/{}/publication", "/tenders/{}/documents", "/tenders/{}/cancellation",
    "/tenders/{}/candidates", "/tenders/{}/award", "/tenders/{}/failure", "/tenders/{}/kept-deposits",
])  # fmt: skip
def test_other_buyers_find_nothing(client, stage, path):
    tender, other = stage.published(), stage.buyer()
    stage.db.flush()
    page(client, other, path.format(tender.id), 404)


HOSTILE = "因预算下调100%终止 %(x)s {y} <b>{{ 7*7 }}</b> \u202e=1+1"


def test_hostile_words_are_inert(client, stage):
    """H11: percent signs, braces, tags, templates in every field that people fill in."""
    buyer = stage.buyer()
    holders = stage.holders(buyer)
    stage.db.flush()
    tender = stage.published(buyer, name=HOSTILE[:80], description=HOSTILE)
    bids = [stage.submit(tender, stage.bidder()) for _ in range(3)]
    stage.frozen(tender)
    stage.db.flush()
    bidder = stage.db.get(Person, bids[0].person_id)
    post(client, bidder, f"/tenders/{tender.id}/objections/new", words=HOSTILE)
    post(client, buyer, f"/tenders/{tender.id}/cancellation", reason=HOSTILE)
    assert fresh(stage, tender).state is State.CANCELLED
    for path in ("/tenders", f"/tenders/{tender.id}", f"/tenders/{tender.id}/hall"):
        for language in ("zh", "en"):
            text = ok(client.get(f"{path}?lang={language}")).get_data(as_text=True)
            assert "49" not in re.findall(r"终止 (.*)", text)[:1]
            assert "<b>{{" not in text
            assert "&lt;b&gt;{{ 7*7 }}" in text or path == "/tenders"
    assert len(holders) == 5


@pytest.mark.parametrize("path", ["/tenders", "/tenders/{}", "/tenders/{}/registration", "/tenders/{}/bids/new"])
def test_english_pages_have_no_chinese_left(client, stage, path):
    tender, bidder = stage.published(name="Road", description="Works"), stage.bidder()
    stage.upload(tender, bidder, b"x")
    stage.db.flush()
    client.login(bidder)
    text = ok(client.get(path.format(tender.id) + "?lang=en")).get_data(as_text=True)
    body = re.sub(r"<(header|footer).*?</\1>|<script.*?</script>", "", text, flags=re.S)
    left = set(re.findall(r">([^<]*[\u4e00-\u9fff][^<]*)<", body))
    names = {"招标人", "持有人", "投标人", "招标文件.pdf", "示例", "大写", "下载"}
    assert {words.strip() for words in left if not any(name in words for name in names)} == set()


def everything_seen(client, stage, tender, people):
    """What each of these people can get of a tender, through every door that answers."""
    seen = {}
    for person in people:
        for path in ("", "/hall", "/hall/live", "/transcript.json", "/params.json", "/registration", "/bids/new",
                     "/unlock", "/close", "/contract", "/candidates", "/award", "/kept-deposits"):  # fmt: skip
            client.login(person) if person else client.logout()
            answer = client.get(f"/tenders/{tender.id}{path}")
            seen[person.login if person else "", path] = (answer.status_code, normal(answer.get_data(as_text=True)))
        for path in ("", "/hall", "/bids", "/registration", "/close", "/candidates", "/contract", "/transcript"):
            answer = client.api("GET", f"/tenders/{tender.id}{path}", person)
            seen[person.login if person else "", "api" + path] = (
                answer.status_code, normal(answer.get_data(as_text=True)),
            )  # fmt: skip
        client.login(person) if person else client.logout()
        seen[person.login if person else "", "list"] = normal(client.get("/tenders").get_data(as_text=True))
    return seen


def normal(text):
    """Without what differs from moment to moment: clocks and form tokens."""
    text = re.sub(r'(datetime|data-server-now|data-[a-z-]*now)="[^"]*"', "", text)
    text = re.sub(r'name="csrf_token" value="[^"]*"', "", text)
    text = re.sub(r"\d+ (秒|分钟|小时|天)后?", "", text)
    return re.sub(r"<time[^>]*data-part=\"clock\".*?</time>", "", text, flags=re.S)


def test_two_worlds_look_the_same_before_the_deadline(client, stage):
    """H2: with nobody and with four bids, one replaced, one withdrawn, one refused, one upload cut short."""
    from bidding.tenders import registration, submission, uploads

    buyer, supervisor = stage.buyer(), stage.supervisor()
    staff, idle = stage.person("工作人员", Role.CENTRE_STAFF), stage.bidder()
    tender = stage.published(buyer)
    holder = stage.db.get(Person, tender.holders[1])
    stage.db.flush()
    people = [None, buyer, supervisor, staff, holder, idle]
    before = everything_seen(client, stage, tender, people)

    bidders = [stage.bidder() for _ in range(5)]
    first = stage.submit(tender, bidders[0])
    stage.submit(tender, bidders[0], seq=2)
    submission.withdraw(stage.db, stage.submit(tender, bidders[1]), by=bidders[1].actor)
    stage.submit(tender, bidders[2])
    upload = stage.upload(tender, bidders[3], b"not sealed")
    refused = submission.hand_in(stage.db, upload, b"x", by=bidders[3].actor)
    submission.verify(stage.db, stage.store, refused.id, key=stage.key, recognised=stage.recognised)
    held = registration.register(stage.db, tender, by=bidders[4].actor)
    cut = uploads.begin(stage.db, stage.store, held, size=100, by=bidders[4].actor)
    uploads.receive(stage.db, stage.store, cut, 0, io.BytesIO(b"half"), by=bidders[4].actor)
    stage.db.flush()
    assert first.state is BidState.REPLACED

    after = everything_seen(client, stage, tender, people)
    assert {key: (before[key], after[key]) for key in before if before[key] != after[key]} == {}
