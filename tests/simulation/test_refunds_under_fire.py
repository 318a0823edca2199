"""A project's refunds while everything is killed: the worker again and again, the database once.

Nothing is lost and nothing is paid twice: the bank counts.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from app import schema
from app.commands.bank import payer_account
from ca import parties
from ca.rights import SYSTEM
from escrow import deposits, ledger, receipts
from escrow.models import Deposit, DepositState
from storage import db as rows
from storage.postgres import temporary_server
from storage.values import Money
from tests.conftest import credit_code
from tests.escrow.mock_bank import ACCOUNT, HOLDER, running
from tests.escrow.money import DAY

REFUNDS, KILLS = 120, 6
AMOUNT = Money.yuan("80000")


@pytest.fixture
def ground(tmp_path: Path):
    """A database that may be killed, a bank, and how to start a worker on both."""
    with temporary_server() as server, running() as (bank, demo):
        urls = server.create_database("fire")
        owner = rows.connect(urls.owner)
        schema.upgrade(owner)
        owner.dispose()
        engine = rows.connect(urls.app)
        environment = os.environ | {
            "DATABASE_URL": urls.app, "GONGHENG_HOME": str(tmp_path), "GONGHENG_MODE": "test",
            "GONGHENG_BANK_URL": f"{demo.url}?account={ACCOUNT}&holder={HOLDER}&id=ESCROW",
        }  # fmt: skip

        def worker() -> subprocess.Popen:
            log = (tmp_path / "worker.log").open("ab")
            return subprocess.Popen(
                [sys.executable, "-m", "app.cli", "worker"], env=environment, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

        yield rows.sessions(engine), server, demo, worker
        engine.dispose()


def _held(sessions) -> list[int]:
    """So many deposits, paid, opened."""
    with sessions() as db:
        for place in range(REFUNDS):
            party = parties.add_organisation(db, f"单位{place}", credit_code(place))
            deposit = deposits.expect(db, "t", party.id, AMOUNT, by=SYSTEM)
            credit = receipts.Credit(
                "mock", ACCOUNT, f"R-{place}", AMOUNT, DAY, DAY, party.name, payer_account(party.name),
                references=(deposit.sub_account,),
            )  # fmt: skip
            receipts.take_in(db, credit, by=SYSTEM)
        deposits.hold(db, "t", by=SYSTEM)
        db.commit()
        return list(db.scalars(select(Deposit.organisation_id)))


def _home(sessions) -> int:
    with sessions() as db:
        home = select(func.count()).select_from(Deposit).where(Deposit.state == DepositState.REFUNDED)
        return db.scalar(home) or 0


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", [7])
def test_killed_at_any_moment_every_refund_is_paid_once(ground, seed):
    sessions, server, demo, worker = ground
    chance = random.Random(seed)
    organisations = _held(sessions)
    demo.ask("PATCH", "/_mock/accounts/ESCROW", balance=AMOUNT.fen * REFUNDS)
    child = worker()
    for kill in range(KILLS):
        with sessions() as db:
            batch = organisations[kill * 20 : kill * 20 + 20]
            deposits.release(db, "t", batch, reason="合同已签订", by=SYSTEM)
            db.commit()
        time.sleep(chance.uniform(0.1, 0.9))
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        if kill == 3:
            os.kill(server.pid, signal.SIGKILL)
        child = worker()
        _until(lambda: _answers(sessions), 30)
    try:
        _until(lambda: _home(sessions) == REFUNDS, 120)
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()

    paid = Counter(payment["creditor_iban"] for payment in demo.payments() if payment["status"] == "accepted")
    assert len(paid) == REFUNDS
    assert set(paid.values()) == {1}
    assert demo.balance() == 0
    with sessions() as db:
        assert ledger.recount(db).good


def _answers(sessions) -> bool:
    try:
        return _home(sessions) >= 0
    except OperationalError:
        return False


def _until(good, seconds: float) -> None:
    """Wait for it, with a bound."""
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, "a bound on everything"
        time.sleep(0.2)
