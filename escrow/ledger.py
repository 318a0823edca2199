"""The ledger 账簿: double entry, append-only, one posting = one SQL statement.

A posting moves one amount from one account to another and has a key that its caller made. The same key
with the same parameters is the same movement, however often and by however many it is tried at once; the
same key with other parameters is refused. Nothing may take from an account more than is available there.

How one statement does it: the accounts are locked in the order of their numbers; the transfers are
inserted, doing nothing where the key is known; entries and balances follow only from what was inserted.
What the statement promises the database says again, at the end of every statement and not only at the
commit: a transfer has two entries of its amount that sum to zero, neither can be changed or joined by a
third, and no balance passes its floor.
"""

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA
from sqlalchemy.orm import Session
from sqlalchemy.types import BigInteger, Text, Uuid

from escrow.models import Account, Entry, Transfer
from storage.refusals import NotNow, NotValid
from storage.values import Money

MOST = 5_000  # postings in one statement


class NotEnough(NotNow):
    says = "科目余额不足，无法划出这笔资金。请核对账簿后再办理。"


class KeyUsedOtherwise(NotValid):
    says = "这笔转账的编号“{key}”已用于另一笔转账。请使用新的编号。"


class NoMovement(NotValid):
    says = "转账金额必须大于零，且转出与转入科目不能相同。"


class UnknownAccount(NotValid):
    says = "账簿里没有科目“{code}”。"


@dataclass(frozen=True)
class Posting:
    """One movement to be made: `amount` from the account `source` to the account `target`."""

    key: str
    kind: str
    source: str
    target: str
    amount: Money

    def __post_init__(self) -> None:
        if self.amount.fen <= 0 or self.source == self.target:
            raise NoMovement

    @property
    def asked(self) -> bytes:
        """The digest of what was asked for: a key belongs to exactly one of these."""
        body = [self.kind, self.source, self.target, self.amount.fen]
        return hashlib.sha256(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()).digest()


def open_accounts(db: Session, codes: Iterable[str], *, floor: int | None = 0) -> None:
    """Open accounts that are not there yet; `floor` is the least balance in fen, None for mirrors of a bank."""
    wanted = sorted(set(codes))
    if wanted:
        db.execute(
            text(
                "INSERT INTO ledger_account (code, floor) SELECT code, :floor FROM unnest(CAST(:codes AS text[])) code "
                "WHERE NOT EXISTS (SELECT 1 FROM ledger_account known WHERE known.code = code.code) "
                "ORDER BY code ON CONFLICT (code) DO NOTHING"
            ),
            {"codes": wanted, "floor": floor},
        )


_POST = text("""
WITH asked AS (
    SELECT * FROM unnest(:ids, :keys, :digests, :kinds, :sources, :targets, :amounts)
        AS a(id, key, asked, kind, source, target, amount)
), locked AS (
    SELECT id, code, floor, balance FROM ledger_account
    WHERE code = ANY(:codes) ORDER BY id FOR UPDATE
), fresh AS (
    SELECT asked.* FROM asked WHERE NOT EXISTS (SELECT 1 FROM ledger_transfer t WHERE t.key = asked.key)
), wanted AS (
    SELECT code, sum(amount) AS amount FROM (
        SELECT source AS code, -amount AS amount FROM fresh UNION ALL SELECT target, amount FROM fresh
    ) legs GROUP BY code
), verdict AS (
    SELECT count(*) = cardinality(:codes)
       AND coalesce(bool_and(floor IS NULL OR balance + coalesce(amount, 0) >= floor OR amount >= 0), true) AS good
    FROM locked LEFT JOIN wanted USING (code)
), made AS (
    INSERT INTO ledger_transfer (id, key, asked, kind, amount, at)
    SELECT id, key, asked, kind, amount, gh_clock() FROM fresh WHERE (SELECT good FROM verdict)
    ON CONFLICT (key) DO NOTHING RETURNING id
), legs AS (
    SELECT fresh.id AS transfer_id, locked.id AS account_id, side.amount
    FROM made JOIN fresh USING (id)
    CROSS JOIN LATERAL (VALUES (fresh.source, -fresh.amount), (fresh.target, fresh.amount)) side(code, amount)
    JOIN locked ON locked.code = side.code
), written AS (
    INSERT INTO ledger_entry (transfer_id, account_id, amount) SELECT * FROM legs
), counted AS (
    UPDATE ledger_account SET balance = balance + sums.amount, version = version + sums.entries
    FROM (SELECT account_id, sum(amount) AS amount, count(*) AS entries FROM legs GROUP BY account_id) sums
    WHERE ledger_account.id = sums.account_id
)
SELECT (SELECT count(*) FROM made) AS made, (SELECT count(*) FROM locked) AS found
""").bindparams(
    bindparam("ids", type_=ARRAY(Uuid)),
    bindparam("digests", type_=ARRAY(BYTEA)),
    bindparam("amounts", type_=ARRAY(BigInteger)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("keys", "kinds", "sources", "targets", "codes")),
)


_POST_ONE = "SELECT ledger_post_one(%s, %s, %s, %s, %s, %s, %s)"


def post(db: Session, postings: Sequence[Posting]) -> list[uuid.UUID]:
    """Make these movements, all or none, and return the number of each one's transfer.

    What is already there under its key is not made again. Raises NotEnough when an account would give
    more than it has, KeyUsedOtherwise when a key belongs to another movement.
    """
    assert len(postings) <= MOST, "a bound on everything"
    if not postings:
        return []
    if len(postings) == 1:
        db.flush()
        return [_one(db.connection(), db, postings[0])]
    numbers = {posting.key: _number() for posting in postings}
    assert len(numbers) == len(postings), "each posting has a key of its own"
    codes = sorted({code for posting in postings for code in (posting.source, posting.target)})
    told: Any = db.execute(
        _POST,
        {
            "ids": list(numbers.values()),
            "keys": [posting.key for posting in postings],
            "digests": [posting.asked for posting in postings],
            "kinds": [posting.kind for posting in postings],
            "sources": [posting.source for posting in postings],
            "targets": [posting.target for posting in postings],
            "amounts": [posting.amount.fen for posting in postings],
            "codes": codes,
        },
    ).one()
    made, found = told
    if made == len(postings):
        return list(numbers.values())
    return _already(db, postings, numbers, codes, found)


def post_alone(connection: Connection, posting: Posting) -> uuid.UUID:
    """One movement that is a transaction by itself: one round trip, on a connection in AUTOCOMMIT.

    For programs that do nothing but post; an act posts in its own transaction (`post`).
    """
    assert connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT", "alone means by itself"
    return _one(connection, connection, posting)


def _one(connection: Connection, db: Session | Connection, posting: Posting) -> uuid.UUID:
    """One movement by the database's own function, which says the same as the statement above, shorter."""
    number = _number()
    facts = (number, posting.key, posting.asked, posting.kind, posting.source, posting.target, posting.amount.fen)
    answer: str = connection.exec_driver_sql(_POST_ONE, facts).scalar_one()
    if answer == "made":
        return number
    codes = sorted({posting.source, posting.target})
    [known] = _already(db, [posting], {posting.key: number}, codes, 0 if answer == "unknown" else len(codes))
    return known


def _number() -> uuid.UUID:
    """A new transfer's number (RFC 9562, version 7): in the order of time, so that indexes grow at one end."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & (2**48 - 1)) << 80 | int.from_bytes(os.urandom(10))
    return uuid.UUID(int=value & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62)


def post_one(db: Session, key: str, kind: str, source: str, target: str, amount: Money) -> uuid.UUID:
    """Make one movement and return the number of its transfer."""
    return post(db, [Posting(key, kind, source, target, amount)])[0]


def _already(
    db: Session | Connection, postings: Sequence[Posting], numbers: dict[str, uuid.UUID], codes: list[str], found: int
) -> list[uuid.UUID]:
    """The answer when not everything was new: the known transfers, or why it was refused."""
    rows = db.execute(select(Transfer.key, Transfer.id, Transfer.asked).where(Transfer.key.in_(numbers)))
    known = {row.key: row for row in rows}
    for posting in postings:
        row = known.get(posting.key)
        if row is not None and bytes(row.asked) != posting.asked:
            raise KeyUsedOtherwise(key=posting.key)
    if len(known) == len(postings):
        return [known[posting.key].id for posting in postings]
    if found < len(codes):
        there = set(db.execute(select(Account.code).where(Account.code.in_(codes))).scalars())
        raise UnknownAccount(code=next(code for code in codes if code not in there))
    raise NotEnough


def balance(db: Session, code: str) -> Money:
    """What stands on an account; nothing when it was never opened."""
    return Money(db.scalar(select(Account.balance).filter_by(code=code)) or 0)


def balances(db: Session, prefix: str) -> dict[str, Money]:
    """The balances of all accounts whose code begins so."""
    rows = db.execute(select(Account.code, Account.balance).where(Account.code.startswith(prefix, autoescape=True)))
    return {code: Money(fen) for code, fen in rows}


def find(db: Session, key: str) -> Transfer | None:
    """The transfer made under a key."""
    return db.scalar(select(Transfer).filter_by(key=key))


@dataclass(frozen=True)
class Count:
    """What a recount of the whole ledger found."""

    accounts: int
    transfers: int
    total: int  # sum of all balances, in fen; must be 0
    wrong_balances: list[str]  # accounts whose balance or version is not what their entries say
    crooked: list[str]  # keys of transfers that are not two entries of their amount
    below: list[str]  # accounts below their floor

    @property
    def good(self) -> bool:
        return not (self.total or self.wrong_balances or self.crooked or self.below)


def recount(db: Session) -> Count:
    """Compute every balance again from the entries, as is done each night."""
    wrong = db.scalars(
        text("""
        SELECT a.code FROM ledger_account a
        LEFT JOIN (SELECT account_id, sum(amount) AS amount, count(*) AS n FROM ledger_entry GROUP BY 1) e
          ON e.account_id = a.id
        WHERE a.balance <> coalesce(e.amount, 0) OR a.version <> coalesce(e.n, 0) ORDER BY a.code""")
    ).all()
    crooked = db.scalars(
        text("""
        SELECT t.key FROM ledger_transfer t LEFT JOIN ledger_entry e ON e.transfer_id = t.id
        GROUP BY t.id, t.key, t.amount
        HAVING count(e.amount) <> 2 OR sum(e.amount) <> 0 OR max(e.amount) <> t.amount ORDER BY t.key""")
    ).all()
    below = db.scalars(select(Account.code).where(Account.floor.is_not(None), Account.balance < Account.floor)).all()
    sums: Any = db.execute(text("SELECT count(*), coalesce(sum(balance), 0) FROM ledger_account")).one()
    transfers = db.scalar(text("SELECT count(*) FROM ledger_transfer")) or 0
    return Count(sums[0], transfers, int(sums[1]), list(wrong), list(crooked), list(below))


def walked(db: Session, code: str) -> list[tuple[Transfer, Money]]:
    """What an account did, oldest first: each transfer with the amount that came (or went, below zero)."""
    rows = db.execute(
        select(Transfer, Entry.amount)
        .join(Entry, Entry.transfer_id == Transfer.id)
        .join(Account, Account.id == Entry.account_id)
        .where(Account.code == code)
        .order_by(Transfer.at, Transfer.id)
    )
    return [(transfer, Money(amount)) for transfer, amount in rows]


# The database says it again. `refuse_change` is the journal's (storage.journal.PROTECT).
PROTECT = """
CREATE OR REPLACE FUNCTION ledger_post_one(
    new_id uuid, new_key text, digest bytea, new_kind text, source text, target text, fen bigint
) RETURNS text LANGUAGE plpgsql AS
$$ DECLARE a record; giver bigint; taker bigint; left_over bigint; least bigint;
BEGIN
    FOR a IN SELECT id, code, floor, balance FROM ledger_account WHERE code = source OR code = target
             ORDER BY id FOR UPDATE LOOP
        IF a.code = source THEN giver := a.id; left_over := a.balance - fen; least := a.floor;
        ELSE taker := a.id; END IF;
    END LOOP;
    IF giver IS NULL OR taker IS NULL THEN RETURN 'unknown'; END IF;
    IF EXISTS (SELECT 1 FROM ledger_transfer t WHERE t.key = new_key) THEN RETURN 'known'; END IF;
    IF left_over < least THEN RETURN 'short'; END IF;
    WITH made AS (
        INSERT INTO ledger_transfer (id, key, asked, kind, amount, at)
        VALUES (new_id, new_key, digest, new_kind, fen, gh_clock()) ON CONFLICT (key) DO NOTHING RETURNING id
    ), written AS (
        INSERT INTO ledger_entry (transfer_id, account_id, amount)
        SELECT made.id, side.account, side.amount FROM made, (VALUES (giver, -fen), (taker, fen)) side(account, amount)
    )
    UPDATE ledger_account SET balance = balance + CASE id WHEN giver THEN -fen ELSE fen END, version = version + 1
    WHERE id IN (giver, taker) AND EXISTS (SELECT 1 FROM made);
    RETURN CASE WHEN FOUND THEN 'made' ELSE 'known' END;
END $$;
CREATE OR REPLACE FUNCTION ledger_is_balanced() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF EXISTS (
        SELECT 1 FROM (SELECT transfer_id, sum(amount) AS total, count(*) AS n FROM written GROUP BY 1) w
        WHERE w.total <> 0 OR w.n <> (SELECT count(*) FROM ledger_entry e WHERE e.transfer_id = w.transfer_id)
    ) THEN
        RAISE EXCEPTION 'the entries of a transfer do not sum to zero' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_is_balanced AFTER INSERT ON ledger_entry
    REFERENCING NEW TABLE AS written FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_balanced();
CREATE OR REPLACE FUNCTION ledger_has_entries() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN
    IF EXISTS (
        SELECT 1 FROM made
        WHERE 2 <> (SELECT count(*) FROM ledger_entry e WHERE e.transfer_id = made.id AND abs(e.amount) = made.amount)
    ) THEN
        RAISE EXCEPTION 'a transfer has two entries of its amount' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_has_entries AFTER INSERT ON ledger_transfer
    REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION ledger_has_entries();
CREATE TRIGGER ledger_entry_is_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_entry_is_never_emptied BEFORE TRUNCATE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transfer_is_append_only BEFORE UPDATE OR DELETE ON ledger_transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_transfer_is_never_emptied BEFORE TRUNCATE ON ledger_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER ledger_account_is_never_removed BEFORE DELETE ON ledger_account
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""
APPEND_ONLY = ("ledger_entry", "ledger_transfer")


def install(connection: Connection) -> None:
    """Tell the database the ledger's laws; after the tables and `storage.journal.PROTECT`."""
    connection.exec_driver_sql(PROTECT)
