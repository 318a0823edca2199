"""Deposits: paid through the bank's own door, and home again by themselves."""

from app.commands import bank
from app.day.stage import Stage
from app.demo import cast
from app.demo.centre import bank_port
from storage.values import Money

HOME = ("refunded",)


def pay(stage: Stage) -> None:
    """Each bidder's bank transfers the deposit to its own sub-account; credit notices come by ISO 20022."""
    with stage.step("缴纳保证金 deposits are paid in"):
        for player in cast.BIDDERS:
            held = stage.facts["registrations"][player.login]
            bank.pay_in(
                bank_port(stage.settings), held["sub_account"], Money.yuan(held["deposit_amount"]),
                payer=player.unit.name, account=bank.payer_account(player.unit.name),
            )  # fmt: skip
        for player in cast.BIDDERS:
            stage.wait_for("到账 arrival", lambda player=player: [
                one for one in mine(stage, player) if one["state"] in ("received", "held")
            ])  # fmt: skip


def home(stage: Stage) -> None:
    """After the contract every deposit goes home by itself: pain.001, pain.002, camt."""
    with stage.step("保证金自动退还 deposits go home by themselves"):
        for player in cast.BIDDERS:
            stage.wait_for("退还 refund", lambda player=player: [
                one for one in mine(stage, player) if one["state"] in HOME
            ], seconds=120)  # fmt: skip


def reconcile(stage: Stage) -> None:
    """The ledger, the bank's statement and the sub-accounts agree to the fen."""
    staff = stage.as_(cast.STAFF_1)
    with stage.step("三方对账 reconciled to the fen"):
        before = {row["id"] for row in staff.get("/deposits/reconciliation")["reconciliations"]}
        staff.post("/deposits/reconciliation", {})

        def compared() -> list[dict]:
            rows = staff.get("/deposits/reconciliation")["reconciliations"]
            return [row for row in rows if row["id"] not in before]

        for row in stage.wait_for("对账单 the statement", compared):
            assert row["agrees"], row


def mine(stage: Stage, player: cast.Player) -> list[dict]:
    """A bidder's own deposits."""
    found: list[dict] = stage.as_(player).get("/deposits")["deposits"]
    return found
