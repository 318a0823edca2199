"""A year in the strongroom by one seed: a bank in a mood, a process that dies between any two steps.

`MoodyBank` stands between us and mock-bank: it hears and hangs up, does not hear, repeats, reorders and loses
messages, returns payments days later, keeps silent, leaves lines off statements. The auditor counts from
outside: what every payer paid in is what came home to it (or was kept), once, and the bank says so too.
Run more seeds with `SEEDS=1000 pytest tests/simulation/test_deposits.py`.
"""

import os
import random
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select

from ca.rights import SYSTEM, Role
from escrow import deposits, ledger, looking, reconciliation, sending
from escrow.banks import reach, watch
from escrow.banks.bank import Unreachable
from escrow.models import Deposit, DepositState, PaymentFile, Reconciliation, Refund, RefundState
from storage import clock, journal
from storage.values import Money
from tests.escrow.mock_bank import ACCOUNT, HOLDER, running

S = DepositState
AMOUNT = Money.yuan("80000")
DONE = (S.REFUNDED, S.FORFEITED, S.LAPSED)


class MoodyBank:
    """The bank as we speak with it, on a bad day; `calm` ends the bad day."""

    def __init__(self, real, chance: random.Random) -> None:
        self.real, self.chance, self.calm = real, chance, False
        self.name, self.account, self.holder = real.name, real.account, real.holder

    def _maybe(self, share: float) -> bool:
        return not self.calm and self.chance.random() < share

    def tell(self, msg_id, payments) -> bool:
        if self._maybe(0.2):
            raise Unreachable("it did not hear")
        answer = self.real.tell(msg_id, payments)
        if self._maybe(0.2):
            raise Unreachable("it heard and hung up")
        return answer

    def ask(self, end_to_end_id):
        if self._maybe(0.2):
            raise Unreachable("no answer")
        return self.real.ask(end_to_end_id)

    def letters(self):
        letters = self.real.letters()
        if self._maybe(0.3):
            letters = [letter for letter in letters if self.chance.random() < 0.6]
        if self._maybe(0.3):
            letters = letters + letters[: len(letters) // 2]
        if self._maybe(0.3):
            self.chance.shuffle(letters)
        if self._maybe(0.1):
            raise Unreachable("the line broke")
        return letters

    def file_away(self, ids) -> None:
        if self._maybe(0.2):
            raise Unreachable("the line broke")
        self.real.file_away(ids)

    def report(self) -> None:
        self.real.report()


class World:
    """A centre, its bank, and what the auditor wrote down from outside."""

    def __init__(self, db, bank, demo, chance, parties, staff) -> None:
        self.db, self.demo, self.chance, self.parties, self.staff = db, demo, chance, parties, staff
        self.bank = MoodyBank(bank, chance)
        self.paid_in: Counter[str] = Counter()
        reach.connect(self.bank)

    def step(self, act, *arguments) -> None:
        """One transaction that may die before its commit, or be refused by the bank's silence."""
        with suppress(Unreachable):
            act(self.db, *arguments)
            if not self.bank.calm and self.chance.random() < 0.15:
                self.db.rollback()  # killed before the commit
                return
            self.db.commit()
            return
        self.db.rollback()

    def pay(self, deposit: Deposit) -> None:
        """Somebody pays: right, short, twice, too much, or with a slip of the pen."""
        party = self.parties[deposit.organisation_id]
        amounts = self.chance.choice(
            [[AMOUNT.fen], [AMOUNT.fen], [3_000_000, 5_000_000], [AMOUNT.fen + 7], [100], [AMOUNT.fen, AMOUNT.fen]]
        )
        number = deposit.sub_account if self.chance.random() < 0.9 else deposit.sub_account[:-1] + "x"
        for fen in amounts:
            self.demo.pay(number, fen, name=party["name"], iban=party["iban"])
            self.paid_in[party["iban"]] += fen

    def mood(self) -> None:
        """The bank changes its mind about everything."""
        kind = self.chance.choice(["accept", "accept", "silent", "return-later", "statement-gap", "insufficient-funds"])
        parameters = {"days": self.chance.choice([1, 2]), "reason": "AC04"} if kind == "return-later" else {}
        self.demo.behave(kind, **parameters)

    def round(self) -> None:
        """A stretch of time: the worker's sweeps, in any order, some of them dying."""
        db = self.db
        acts = [(watch.poll, self.bank)]
        acts += [(sending.pack_due, account) for account in sending.due_to_pack(db)]
        for file in db.scalars(select(PaymentFile).where(PaymentFile.told_at.is_(None))):
            acts.append((lambda db, file=file: sending.send_file(db, file=str(file.id)),))
        for file_id in sending.due_to_ask(db):
            acts.append((lambda db, file_id=file_id: sending.ask_file(db, file=str(file_id)),))
        self.chance.shuffle(acts)
        for act, *arguments in acts:
            self.step(act, *arguments)

    def mend(self) -> None:
        """What people do: send again what came back, explain a difference."""
        for party in self.parties:  # before the opening, and after it too, a party may send its own again
            for refund in sending.dead_of(self.db, party):
                if self.chance.random() < 0.5:
                    self.step(lambda db, refund=refund: sending.reorder(db, refund, by=SYSTEM))
        for trouble in looking.troubles(self.db):
            self.step(lambda db, trouble=trouble: sending.reorder(db, trouble.refund, by=self.staff))
        for row in reconciliation.latest(self.db):
            for difference in list(row.differences):
                self.step(
                    lambda db, row=row, key=difference["key"]: reconciliation.explain(
                        db, row, key, "查明", by=self.staff
                    )
                )


@pytest.fixture(scope="module")
def mock():
    with running() as both:
        yield both


@pytest.fixture
def world(db, mock, organisation, actor, request):
    seed = request.node.callspec.params["seed"]
    print(f"seed {seed}")
    bank, demo = mock
    demo.ask("POST", "/_mock/reset")
    demo.ask("POST", "/_mock/accounts", id="ESCROW", name=HOLDER, iban=ACCOUNT, currency="CNY", balance=0)
    bank._has_read_all = False
    parties = {}
    for place in range(4):
        party = organisation()
        parties[party.id] = {"name": party.name, "iban": _iban(place)}
    world = World(db, bank, demo, random.Random(seed), parties, actor(Role.CENTRE_STAFF))
    db.commit()
    yield world
    reach.disconnect("mock")
    clock.shift_database(db, timedelta(0))


def _iban(place: int) -> str:
    own = f"PAYER{place:04d}"
    digits = "".join(str(int(letter, 36)) for letter in f"{own}CN00")
    return f"CN{98 - int(digits) % 97:02d}{own}"


@pytest.mark.parametrize("seed", range(int(os.environ.get("SEEDS", "12"))))
def test_every_fen_comes_home_exactly_once(world, db, seed):
    reference = f"tender/{seed}"
    kept = _until_the_opening(world, db, reference)

    for tries in range(60):
        _weather(world, tries)
        world.step(lambda db: deposits.release(db, reference, list(world.parties), reason="合同已签订", by=SYSTEM))
        world.round()
        world.mend()
        clock.shift_database(db, timedelta(seconds=4000 * (tries + 1)))
        assert ledger.recount(db).good
        if tries > 14 and _all_quiet(db):
            break
    else:
        raise AssertionError(f"a bound on everything: {Counter(db.scalars(select(Deposit.state)))}")

    _audit(world, db, reference, kept)


def _until_the_opening(world: World, db, reference: str) -> list[Deposit]:
    """Deposits are expected and paid, somebody may withdraw, the bids are opened; returns what is kept for good."""
    chance = world.chance
    everyone = [deposits.expect(db, reference, party, AMOUNT, by=SYSTEM) for party in world.parties]
    db.commit()
    for deposit in everyone:
        world.pay(deposit)
    for _ in range(chance.randrange(1, 4)):
        world.round()
    if chance.random() < 0.4:
        gone = chance.choice(everyone)
        world.step(lambda db: deposits.release(db, reference, [gone.organisation_id], reason="撤回投标", by=SYSTEM))
    world.step(lambda db: deposits.hold(db, reference, by=SYSTEM))
    deposits.hold(db, reference, by=SYSTEM)
    kept = [one for one in deposits.of(db, reference) if one.state is S.HELD][: chance.choice([0, 0, 1])]
    for deposit in kept:
        deposits.forfeit(db, reference, deposit.organisation_id, reason="拒签合同", by=SYSTEM)
        deposits.confirm_forfeit(db, deposit, by=world.staff)
    db.commit()
    return kept


def _weather(world: World, tries: int) -> None:
    """Twelve bad rounds, then the bank is calm and only its days go on."""
    if tries < 12:
        world.mood()
        if world.chance.random() < 0.5:
            world.demo.days(1)
    elif tries == 12:
        world.bank.calm = True
        world.demo.behave("accept")
    else:
        world.demo.days(1)


def _all_quiet(db) -> bool:
    states = set(db.scalars(select(Deposit.state)))
    waiting = db.scalars(select(Refund.id).where(Refund.state.not_in(
        [RefundState.SETTLED, RefundState.REJECTED, RefundState.RETURNED]
    ))).all()  # fmt: skip
    dead = [one for party in db.scalars(select(Deposit.organisation_id)) for one in sending.dead_of(db, party)]
    return not waiting and not dead and not looking.troubles(db) and states <= set(DONE)


def _audit(world: World, db, reference: str, kept: list[Deposit]) -> None:
    """Counted from the bank's side, which knows nothing of our rows."""
    paid_out: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    for payment in world.demo.payments():
        if payment["status"] == "accepted" and payment["returned_at"] is None:
            paid_out[payment["creditor_iban"]] += payment["amount"]
            numbers[payment["end_to_end_id"]] += 1
    interest = sum(one.interest.fen for one in db.scalars(select(Refund).filter_by(state=RefundState.SETTLED)))
    forfeited = ledger.balance(db, f"forfeited/{reference}").fen
    assert set(numbers.values()) <= {1}
    assert sum(paid_out.values()) == sum(world.paid_in.values()) - forfeited + interest
    assert forfeited == AMOUNT.fen * len(kept)
    held_back = {world.parties[one.organisation_id]["iban"] for one in kept}
    for iban, fen in world.paid_in.items():
        if iban not in held_back:
            assert paid_out[iban] >= fen
    assert world.demo.balance() == forfeited - interest
    assert -ledger.balance(db, f"bank/mock/{ACCOUNT}").fen == world.demo.balance()
    assert all(money.fen == 0 for money in ledger.balances(db, "deposit/").values())
    assert all(money.fen == 0 for money in ledger.balances(db, "receipt/").values())
    for deposit in db.scalars(select(Deposit)):
        assert journal.is_whole(db, deposit.file).ok
    world.bank.report()
    watch.poll(db, world.bank)
    newest = db.scalars(select(Reconciliation).order_by(Reconciliation.id.desc()).limit(1)).one()
    assert {one["kind"] for one in newest.differences} <= {"opening_jumps", "missing_on_statement"}
