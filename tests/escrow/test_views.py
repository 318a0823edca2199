"""Pages and API: the party sees its own at once, the centre after the opening, nobody anything else."""

import io
import re
import time

import pytest
from sqlalchemy import select

from ca.rights import SYSTEM, Role
from escrow import deposits, payees, refunds
from escrow.banks import reach, watch
from escrow.banks.bank import NoSuchBank
from escrow.models import DepositState, PayeeState, Reconciliation, RefundState
from escrow.payees import AnotherPersonNeeded, DecidedAlready, NotInYourName, NotYourAccount, StaffApproves
from escrow.views import bank as bank_door
from storage import clock
from tests.escrow.mock_bank import ACCOUNT, PAYER, running
from tests.escrow.money import AMOUNT, REFERENCE, expect, pay

S = DepositState


@pytest.fixture
def bidder(person):
    return person(Role.BIDDER)


@pytest.fixture
def staff(person):
    return person(Role.CENTRE_STAFF)


@pytest.fixture
def deposit(db, bidder):
    return expect(db, bidder.organisation, title="某工程施工")


@pytest.fixture
def released(db, deposit):
    """A refund that the bank has rejected."""
    pay(db, deposit)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    deposits.release(db, REFERENCE, [deposit.organisation_id], reason="合同已签订", by=SYSTEM)
    from escrow import sending

    [file] = sending.pack_due(db, f"mock/{ACCOUNT}")
    [refund] = file.refunds
    refunds.rejected(db, refund, "AC04", by=SYSTEM)
    return refund


def page(client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:2000]
    return answer.text


def test_a_party_sees_where_to_pay_and_how_much_in_words(client, bidder, deposit):
    client.login(bidder)

    text = page(client, f"/deposits/{deposit.id}")

    assert deposit.sub_account in text
    assert "捌万元整" in text
    assert "某工程施工" in page(client, "/deposits/")


def test_each_page_speaks_english(client, db, bidder, staff, released, person):
    client.login(bidder)
    deposit = released.receipt.deposit
    ends = ("", "/account", "/guarantee", "/again")
    texts = [page(client, f"/deposits/{deposit.id}{end}?lang=en") for end in ends]
    client.login(staff)
    row = payees.propose(
        db, bidder.organisation_id, name=bidder.organisation.name, number="CN9900000001", bank="x", evidence="x",
        by=bidder.actor,
    )  # fmt: skip
    db.add(
        Reconciliation(bank="mock", account=ACCOUNT, day=clock.now().date(), at=clock.now(), differences=[DIFFERENCE])
    )
    db.flush()
    paths = ["/", f"/of/{REFERENCE}", "/refunds", f"/refunds/{released.id}", "/accounts", f"/accounts/{row.id}"]
    texts += [page(client, f"/deposits{path}?lang=en") for path in paths]
    found = db.scalars(select(Reconciliation)).one()
    texts += [page(client, f"/deposits/reconciliation{end}?lang=en") for end in ("", f"/{found.id}")]

    for text in texts:
        main = re.sub(r'lang="zh-CN".*?</|<option.*?</option>', "", text.split("<main")[1].split("</main>")[0])
        left = set(re.findall(r"[\u4e00-\u9fff]+", main)) - set(
            re.findall(r"[\u4e00-\u9fff]+", bidder.organisation.name)
        )
        assert not left - {"某工程施工", "合同已签订"} - set(re.findall(r"[\u4e00-\u9fff]+", "付款单位 人员")), left


DIFFERENCE = {"key": "missing_on_statement/MB-1", "kind": "missing_on_statement", "fen": -500, "about": "MB-1"}


def test_before_the_opening_nobody_else_finds_it_and_lists_are_the_same(client, db, deposit, staff, person):
    client.login(staff)
    before = page(client, "/deposits/")
    pay(db, deposit)
    for who in (staff, person(Role.SUPERVISOR), person(Role.BIDDER), person(Role.PROCURING_ENTITY)):
        client.login(who)
        assert client.get(f"/deposits/{deposit.id}").status_code in (403, 404)
        assert client.get(f"/deposits/of/{REFERENCE}").status_code in (403, 404)
        assert client.api("GET", f"/deposits/{deposit.id}", who).status_code in (403, 404)
    client.login(staff)

    after = page(client, "/deposits/")

    assert re.sub(r"csrf.*?>|<time.*?</time>|now=\S+", "", after) == re.sub(
        r"csrf.*?>|<time.*?</time>|now=\S+", "", before
    )


def test_two_worlds_that_differ_in_who_paid_and_how_many_look_the_same(client, db, organisation, staff, person):
    """Nobody pays; three pay, one of them short, one takes its money home again and the bank refuses it."""
    watchers = [staff, person(Role.SUPERVISOR), person(Role.PROCURING_ENTITY), person(Role.BIDDER)]
    with running() as (bank, demo):
        bank.report()
        watch.poll(db, bank)
        before = _all_that_can_be_seen(client, db, watchers)
        for amount in (AMOUNT.fen, AMOUNT.fen, 100):
            one = expect(db, organisation(), title="秘密工程")
            demo.pay(one.sub_account, amount, name="秘密单位")
        watch.poll(db, bank)
        deposits.release(db, REFERENCE, [one.organisation_id], reason="撤回投标", by=SYSTEM)
        demo.behave("reject-file")
        from escrow import sending

        [file] = sending.pack_due(db, f"mock/{ACCOUNT}")
        sending.tell(db, file)
        bank.report()
        watch.poll(db, bank)
        db.expire_all()
        assert one.state is S.RETURNED

        assert _all_that_can_be_seen(client, db, watchers) == before


def _all_that_can_be_seen(client, db, watchers) -> list[tuple[int, str]]:
    """Status and body of every door of this room, for everybody, without what changes by itself."""
    ends = ["/", f"/of/{REFERENCE}", "/refunds", "/accounts", "/reconciliation"]
    seen = []
    for who in watchers:
        client.login(who)
        seen += [client.get(f"/deposits{end}") for end in [*ends, "/../"]]
        seen += [client.api("GET", f"/deposits{end}", who) for end in ("", f"/of/{REFERENCE}", "/reconciliation")]
        seen += [client.get("/")]
    changing = (
        r'csrf[^>]*>|<time.*?</time>|server-now="[^"]*"|"(at|id)": ?"?[^,"]*"?|\d{4}年\d+月\d+日 周. \d\d:\d\d(:\d\d)?'
    )
    return [(one.status_code, re.sub(changing, "", one.text)) for one in seen]


def test_after_the_opening_the_centre_sees_who_and_a_stranger_still_does_not(
    client, db, deposit, staff, person, bidder
):
    pay(db, deposit)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    client.login(staff)

    assert bidder.organisation.name in page(client, f"/deposits/of/{REFERENCE}")
    assert "已冻结" in page(client, f"/deposits/{deposit.id}")
    client.login(person(Role.BIDDER))
    page(client, f"/deposits/{deposit.id}", 404)
    client.login(person(Role.PROCURING_ENTITY))
    assert bidder.organisation.name not in page(client, "/deposits/")


def test_the_api_tells_the_same(client, db, bidder, deposit, staff):
    [told] = client.api("GET", "/deposits", bidder).json["deposits"]
    assert (told["sub_account"], told["amount"], told["state"]) == (deposit.sub_account, "80000.00", "expected")
    pay(db, deposit)
    deposits.hold(db, REFERENCE, by=SYSTEM)

    assert client.api("GET", f"/deposits/of/{REFERENCE}", staff).json["deposits"][0]["state"] == "held"
    assert client.api("GET", f"/deposits/{deposit.id}", bidder).json["received"] == "80000.00"
    assert client.api("GET", "/deposits/reconciliation", staff).json == {"reconciliations": []}


def test_a_rejected_refund_is_seen_and_sent_again(client, db, staff, released, bidder):
    client.login(staff)
    text = page(client, "/deposits/refunds")
    assert bidder.organisation.name in text
    assert "AC04" in text
    assert "80,000.00" in page(client, f"/deposits/refunds/{released.id}")

    assert client.post(f"/deposits/refunds/{released.id}").status_code == 303

    db.expire_all()
    assert released.receipt.deposit.state is S.REFUND_ORDERED
    assert "AC04" not in page(client, "/deposits/refunds")
    assert client.post(f"/deposits/refunds/{released.id}").status_code == 303  # the same press again
    page(client, f"/deposits/refunds/{released.id}", 404)


def test_trouble_with_an_unopened_deposit_is_the_partys_own(client, db, deposit, bidder, staff, person):
    from escrow import sending

    pay(db, deposit)
    deposits.release(db, REFERENCE, [deposit.organisation_id], reason="撤回投标", by=bidder.actor)
    [file] = sending.pack_due(db, f"mock/{ACCOUNT}")
    refunds.rejected(db, file.refunds[0], "AC04", by=SYSTEM)
    client.login(staff)
    assert bidder.organisation.name not in page(client, "/deposits/refunds")
    page(client, f"/deposits/refunds/{file.refunds[0].id}", 404)
    client.login(person(Role.BIDDER))
    assert client.post(f"/deposits/{deposit.id}/again").status_code == 404

    client.login(bidder)
    assert "再退一次" in page(client, f"/deposits/{deposit.id}")
    page(client, f"/deposits/{deposit.id}/again")
    assert client.post(f"/deposits/{deposit.id}/again").status_code == 303

    db.expire_all()
    assert deposit.state is S.REFUND_ORDERED
    assert client.post(f"/deposits/{deposit.id}/again").status_code == 409


def test_another_account_needs_two_people_and_receives_the_refund(client, db, bidder, staff, released, person):
    client.login(bidder)
    path = f"/deposits/{released.receipt.deposit_id}/account"
    form = {
        "name": "别的单位",
        "number": "CN9900000001",
        "bank": "某银行",
        "evidence": "销户证明1号",
        "replaces": PAYER,
    }
    refused = client.post(path, form)
    assert refused.status_code == 422
    assert "别的单位" in refused.text  # what was typed is still there
    assert client.post(path, form | {"name": bidder.organisation.name}).status_code == 303
    [row] = payees.of(db, bidder.organisation_id)
    client.login(staff)
    decide = f"/deposits/accounts/{row.id}"
    assert client.post(decide, {"decision": "approve"}).status_code == 303
    assert client.post(decide, {"decision": "approve"}).status_code == 403
    client.login(second := person(Role.CENTRE_STAFF))
    assert client.post(decide, {"decision": "approve"}).status_code == 303
    db.expire_all()
    assert row.state is PayeeState.APPROVED
    assert client.post(decide, {"decision": "refuse"}).status_code == 409

    newest = released.receipt.refunds[-1]
    assert (newest.number, newest.payee_account, newest.state) == (2, "CN9900000001", RefundState.ORDERED)
    with pytest.raises(DecidedAlready):
        payees.approve(db, row, by=second.actor)


def test_who_may_name_and_approve_an_account(db, bidder, person, staff):
    facts = {"number": "CN9900000002", "bank": "x", "evidence": "x"}
    with pytest.raises(NotYourAccount):
        payees.propose(db, bidder.organisation_id, name=bidder.organisation.name, by=staff.actor, **facts)
    with pytest.raises(NotInYourName):
        payees.propose(db, bidder.organisation_id, name="别人", by=bidder.actor, **facts)
    row = payees.propose(db, bidder.organisation_id, name=bidder.organisation.name, by=bidder.actor, **facts)
    with pytest.raises(StaffApproves):
        payees.approve(db, row, by=bidder.actor)
    payees.approve(db, row, by=staff.actor)
    with pytest.raises(AnotherPersonNeeded):
        payees.approve(db, row, by=staff.actor)
    payees.refuse(db, row, reason="证明不全", by=staff.actor)
    assert row.state is PayeeState.REFUSED


def test_a_forfeit_is_confirmed_on_its_page(client, db, deposit, staff, person):
    pay(db, deposit)
    deposits.hold(db, REFERENCE, by=SYSTEM)
    first = person(Role.CENTRE_STAFF)
    deposits.forfeit(db, REFERENCE, deposit.organisation_id, reason="中标后拒签合同", by=first.actor)
    path = f"/deposits/{deposit.id}/forfeit"
    client.login(first)
    assert client.post(path, {"decision": "approve"}).status_code == 403
    client.login(staff)
    assert "中标后拒签合同" in page(client, path)

    assert client.post(path, {"decision": "approve"}).status_code == 303

    db.refresh(deposit)
    assert deposit.state is S.FORFEITED
    page(client, path, 404)


def test_a_guarantee_is_handed_in_with_its_file(client, db, bidder, deposit, store):
    client.login(bidder)
    form = {"guarantor": "某担保公司", "number": "BH-9", "amount": "80000", "valid_until": "2030-01-01T00:00"}
    path = f"/deposits/{deposit.id}/guarantee"
    assert "letter_missing" in client.post(path, form).text

    sent = client.post(path, form | {"file": (io.BytesIO(b"%PDF-1.7 letter"), "letter.pdf")})

    assert sent.status_code == 303
    assert deposit.guarantee.digest
    assert store.open(f"guarantee/{deposit.guarantee.id}").read() == b"%PDF-1.7 letter"


def test_a_difference_is_explained_by_name(client, db, staff, person):
    db.add(
        Reconciliation(bank="mock", account=ACCOUNT, day=clock.now().date(), at=clock.now(), differences=[DIFFERENCE])
    )
    db.flush()
    row = db.scalars(select(Reconciliation)).one()
    client.login(person(Role.SUPERVISOR))
    path = f"/deposits/reconciliation/{row.id}"
    assert "-5.00" in page(client, path)
    assert client.post(path, {"key": DIFFERENCE["key"], "note": "银行更正"}).status_code == 403
    client.login(staff)
    assert client.post(path, {"key": "other", "note": "银行更正"}).status_code == 422

    assert client.post(path, {"key": DIFFERENCE["key"], "note": "银行次日补记"}).status_code == 303

    db.refresh(row)
    assert row.agrees


def test_comparing_now_leaves_a_job(client, db, staff):
    with running():
        client.login(staff)
        assert client.post("/deposits/reconciliation").status_code == 303


# --- the bank's door --------------------------------------------------------------------------------------


@pytest.fixture
def called(app, db, deposit):
    """A function that brings a message as the bank would, and the message of a payment."""
    with running() as (bank, demo):
        demo.pay(deposit.sub_account, AMOUNT.fen)
        body = bank.letters()[0].body
        secret = app.extensions["house"].settings.secret("bank-mock.key")

        def bring(client, body=body, *, at=None, secret=secret, name="mock"):
            at = str(int(time.time())) if at is None else at
            headers = {"Bank-Time": at, "Bank-Signature": bank_door.signature(secret, at, body)}
            return client.http.post(f"/api/bank/{name}/messages", data=body, headers=headers)

        yield bring


def test_the_bank_brings_a_message_and_repeats_it(client, db, called, deposit):
    first, again = called(client), called(client)

    assert (first.status_code, first.json["kind"], first.json["problem"]) == (202, "camt.054", None)
    assert again.json == first.json
    db.refresh(deposit)
    assert deposit.state is S.RECEIVED
    assert deposit.received == AMOUNT


@pytest.mark.parametrize(
    "wrong",
    [{"secret": b"x" * 32}, {"at": "1000000000"}, {"at": "x"}, {"name": "other"}, {"at": str(2**40)}],
)
def test_nobody_else_brings_messages(client, db, called, deposit, wrong):
    answer = called(client, **wrong)

    assert (answer.status_code, answer.json["code"]) == (403, "not_the_bank")
    db.refresh(deposit)
    assert deposit.state is S.EXPECTED


def test_rubbish_from_the_bank_is_kept_and_named(client, called):
    assert called(client, b"<!DOCTYPE x><Document/>").json["problem"] == "a DTD or a null character"


def test_who_polls_twice_takes_in_once(db, deposit):
    with running() as (bank, demo):
        demo.pay(deposit.sub_account, AMOUNT.fen)
        assert watch.poll(db, bank) == 1
        assert watch.poll(db, bank) == 0
        assert [one.name for one in reach.banks(db)] == ["mock"]
        with pytest.raises(NoSuchBank):
            reach.named(db, "other")
