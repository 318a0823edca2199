"""The ledger: one key, one transfer; nothing below its floor; nothing changed; zero at every moment."""

import threading
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from escrow import ledger
from escrow.ledger import KeyUsedOtherwise, NoMovement, NotEnough, Posting, UnknownAccount
from storage.values import Money


def yuan(text_: str) -> Money:
    return Money.yuan(text_)


@pytest.fixture
def accounts(db):
    ledger.open_accounts(db, ["bank/x"], floor=None)
    ledger.open_accounts(db, ["a", "b", "c"])
    return db


def test_a_posting_moves_an_amount_between_two_accounts(accounts):
    number = ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100"))

    assert isinstance(number, uuid.UUID)
    assert ledger.balance(accounts, "a") == yuan("100")
    assert ledger.balance(accounts, "bank/x") == yuan("-100")
    assert ledger.recount(accounts).good


def test_the_same_key_is_the_same_movement(accounts):
    first = ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100"))

    assert ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100")) == first
    assert ledger.balance(accounts, "a") == yuan("100")


@pytest.mark.parametrize(
    "other",
    [
        Posting("k1", "test", "bank/x", "a", Money(10_001)),
        Posting("k1", "test", "bank/x", "b", Money(10_000)),
        Posting("k1", "other", "bank/x", "a", Money(10_000)),
        Posting("k1", "test", "c", "a", Money(10_000)),
    ],
)
def test_a_key_with_other_parameters_is_refused(accounts, other):
    ledger.post_one(accounts, "k1", "test", "bank/x", "a", Money(10_000))

    with pytest.raises(KeyUsedOtherwise):
        ledger.post(accounts, [other])
    assert ledger.balance(accounts, "a") == Money(10_000)


def test_nothing_gives_more_than_it_has_and_a_batch_is_all_or_nothing(accounts):
    ledger.post_one(accounts, "in", "test", "bank/x", "a", yuan("10"))

    with pytest.raises(NotEnough):
        ledger.post(
            accounts,
            [Posting("p1", "test", "a", "b", yuan("6")), Posting("p2", "test", "a", "c", yuan("4.01"))],
        )

    assert ledger.balance(accounts, "a") == yuan("10")
    assert ledger.find(accounts, "p1") is None
    ledger.post(accounts, [Posting("p1", "test", "a", "b", yuan("6")), Posting("p2", "test", "a", "c", yuan("4"))])
    assert ledger.balance(accounts, "a") == Money(0)


def test_a_batch_may_pass_through_an_account(accounts):
    ledger.post(
        accounts,
        [Posting("1", "test", "bank/x", "a", yuan("5")), Posting("2", "test", "a", "b", yuan("5"))],
    )

    assert ledger.balance(accounts, "b") == yuan("5")


def test_a_repeat_is_answered_even_when_the_money_has_gone_on(accounts):
    ledger.post_one(accounts, "in", "test", "bank/x", "a", yuan("10"))
    first = ledger.post_one(accounts, "on", "test", "a", "b", yuan("10"))

    assert ledger.post_one(accounts, "on", "test", "a", "b", yuan("10")) == first


def test_what_moves_nothing_and_unknown_accounts_are_refused(accounts):
    with pytest.raises(NoMovement):
        Posting("k", "test", "a", "b", Money(0))
    with pytest.raises(NoMovement):
        Posting("k", "test", "a", "a", Money(1))
    with pytest.raises(UnknownAccount) as refused:
        ledger.post_one(accounts, "k", "test", "bank/x", "nowhere", Money(1))
    assert refused.value.facts == {"code": "nowhere"}


@pytest.mark.parametrize("table", ["ledger_entry", "ledger_transfer"])
@pytest.mark.parametrize("crime", ["UPDATE {} SET amount = amount + 1", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_the_database_refuses_to_change_the_past(accounts, table, crime):
    ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100"))

    with pytest.raises(DBAPIError):
        accounts.execute(text(crime.format(table)))


def test_the_database_refuses_one_sided_entries_and_balances_below_the_floor(accounts):
    number = ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100"))
    one_side = "INSERT INTO ledger_entry SELECT :t, id, 1 FROM ledger_account WHERE code = 'b'"

    with pytest.raises(DBAPIError, match="sum to zero"), accounts.begin_nested():
        accounts.execute(text(one_side), {"t": number})
    with pytest.raises(IntegrityError, match="never_below_its_floor"), accounts.begin_nested():
        accounts.execute(text("UPDATE ledger_account SET balance = -1 WHERE code = 'b'"))


def test_the_database_refuses_to_add_to_a_transfer(accounts):
    number = ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100"))
    pair = """INSERT INTO ledger_entry SELECT :t, id, CASE code WHEN 'b' THEN 5 ELSE -5 END
              FROM ledger_account WHERE code IN ('b', 'c')"""

    with pytest.raises(DBAPIError, match="sum to zero"):
        accounts.execute(text(pair), {"t": number})


def test_the_database_refuses_a_transfer_without_entries(accounts):
    columns = "id, key, asked, kind, amount, at"
    bare = f"INSERT INTO ledger_transfer ({columns}) VALUES (gen_random_uuid(), 'bare', sha256(''), 'x', 1, now())"

    with pytest.raises(DBAPIError, match="two entries"):
        accounts.execute(text(bare))


def test_a_recount_names_a_planted_balance(accounts):
    ledger.post_one(accounts, "k1", "test", "bank/x", "a", yuan("100"))
    accounts.execute(text("UPDATE ledger_account SET balance = balance + 7 WHERE code = 'a'"))

    found = ledger.recount(accounts)

    assert not found.good
    assert found.wrong_balances == ["a"]
    assert found.total == 7


def test_fifty_at_once_with_one_key_make_one_transfer(database):
    with database() as db:
        ledger.open_accounts(db, ["bank/x"], floor=None)
        ledger.open_accounts(db, ["a"])
        db.commit()
    answers, gate = [], threading.Barrier(50)

    def repeat() -> None:
        with database() as db:
            gate.wait()
            answers.append(ledger.post_one(db, "the key", "test", "bank/x", "a", yuan("80000")))
            db.commit()

    threads = [threading.Thread(target=repeat) for _ in range(50)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]

    with database() as db:
        assert len(answers) == 50
        assert len(set(answers)) == 1
        assert ledger.balance(db, "a") == yuan("80000")
        assert ledger.recount(db).good


def test_a_posting_alone_is_the_same_and_needs_no_session(database):
    with database() as db:
        ledger.open_accounts(db, ["bank/x"], floor=None)
        ledger.open_accounts(db, ["a"])
        db.commit()
        engine = db.get_bind()
    posting = Posting("alone", "test", "bank/x", "a", yuan("1"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        first = ledger.post_alone(connection, posting)
        assert ledger.post_alone(connection, posting) == first
        with pytest.raises(KeyUsedOtherwise):
            ledger.post_alone(connection, Posting("alone", "test", "bank/x", "a", yuan("2")))
        with pytest.raises(NotEnough):
            ledger.post_alone(connection, Posting("more", "test", "a", "bank/x", yuan("2")))
        with pytest.raises(UnknownAccount):
            ledger.post_alone(connection, Posting("where", "test", "a", "nowhere", yuan("1")))
    with database() as db:
        assert ledger.find(db, "alone").id == first
        assert ledger.recount(db).good
    with engine.connect() as connection, pytest.raises(AssertionError):
        ledger.post_alone(connection, posting)


def test_two_who_take_the_last_of_it_at_once(database):
    with database() as db:
        ledger.open_accounts(db, ["bank/x"], floor=None)
        ledger.open_accounts(db, ["a", "b"])
        ledger.post_one(db, "in", "test", "bank/x", "a", yuan("10"))
        db.commit()
    told, gate = [], threading.Barrier(8)

    def spend(number: int) -> None:
        with database() as db:
            gate.wait()
            try:
                ledger.post_one(db, f"out/{number}", "test", "a", "b", yuan("10"))
                db.commit()
                told.append("paid")
            except NotEnough:
                told.append("refused")

    threads = [threading.Thread(target=spend, args=(number,)) for number in range(8)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]

    assert sorted(told) == ["paid"] + ["refused"] * 7
    with database() as db:
        assert ledger.balance(db, "b") == yuan("10")


moves = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from("wabc"), st.sampled_from("wabc"), st.integers(1, 500)),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=moves)
def test_a_model_of_plain_sums_agrees(db, moves):
    """Any list of movements, with repeated keys, against a dictionary that does the same by hand."""
    world = uuid.uuid4().hex
    codes = {name: f"{world}/{name}" for name in "wabc"}
    ledger.open_accounts(db, [codes["w"]], floor=None)
    ledger.open_accounts(db, [codes[name] for name in "abc"])
    known: dict[int, tuple[str, str, int]] = {}
    sums = dict.fromkeys("wabc", 0)
    for key, source, target, fen in moves:
        if source == target:
            continue
        asked = (source, target, fen)
        expected = None
        if key in known:
            expected = None if known[key] == asked else KeyUsedOtherwise
        elif source != "w" and sums[source] < fen:
            expected = NotEnough
        else:
            known[key], sums[source], sums[target] = asked, sums[source] - fen, sums[target] + fen
        posting = Posting(f"{world}/{key}", "test", codes[source], codes[target], Money(fen))
        if expected:
            with pytest.raises(expected):
                ledger.post(db, [posting])
        else:
            ledger.post(db, [posting])
        assert {name: ledger.balance(db, code).fen for name, code in codes.items()} == sums
    assert sum(sums.values()) == 0
