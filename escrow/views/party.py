"""The party's doors: what I owe and where to pay, what became of it, another account, a letter of guarantee."""

import hashlib
import uuid
from typing import Annotated

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from ca.rights import Role, allow
from escrow import guarantees, looking, payees, receipts, sending
from escrow.banks import reach
from escrow.models import STANDING_NAMES, Deposit, DepositState
from escrow.views import pages
from storage import forms
from storage.refusals import NotValid

PARTIES = (Role.BIDDER, Role.INTERMEDIARY)
LARGEST_LETTER = 10 * 1024 * 1024


class LetterMissing(NotValid):
    says = "请选择保函文件（PDF 或 OFD，不超过 10 MB）。"


class Account(BaseModel):
    """Another account of one's own."""

    name: Annotated[str, Field(max_length=140)]
    number: Annotated[str, Field(pattern=r"^[A-Z0-9]{6,34}$")]
    bank: Annotated[str, Field(max_length=40)]
    evidence: Annotated[str, Field(max_length=300)]
    replaces: Annotated[str, Field(max_length=34)] = ""


class Letter(BaseModel):
    """A letter of guarantee."""

    guarantor: Annotated[str, Field(max_length=140)]
    number: Annotated[str, Field(max_length=60)]
    amount: forms.Yuan
    valid_until: forms.When


@pages.get("/")
@allow(Role.BIDDER, Role.INTERMEDIARY, Role.PROCURING_ENTITY, Role.CENTRE_STAFF, Role.SUPERVISOR)
def index():
    """My deposits; for the centre and supervisors, the references that are opened."""
    watches = g.actor.is_a(*looking.WATCHERS)
    return render_template(
        "escrow/index.html", own=looking.own(g.db, g.actor) if g.actor.is_a(*PARTIES) else None,
        opened=looking.opened(g.db) if watches else None, watches=watches,
    )  # fmt: skip


@pages.get("/<uuid:deposit_id>")
@allow(*PARTIES, Role.CENTRE_STAFF, Role.SUPERVISOR)
def show(deposit_id: uuid.UUID):
    """One deposit: where to pay, where it stands, what happens next, its whole story."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    return render_template("escrow/show.html", **_facts(deposit))


@pages.get("/<uuid:deposit_id>/now")
@allow(*PARTIES, Role.CENTRE_STAFF, Role.SUPERVISOR)
def now(deposit_id: uuid.UUID):
    """The part of a deposit's page that changes by itself."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    return render_template("escrow/now.html", **_facts(deposit))


def _facts(deposit: Deposit) -> dict[str, object]:
    known = reach.banks(g.db)
    return {
        "deposit": deposit, "refunds": looking.refunds_of(g.db, deposit), "story": looking.story(g.db, deposit),
        "receipts": [one for one in deposit.receipts], "standings": STANDING_NAMES, "back": receipts.BACK,
        "party": looking.name_of(g.db, deposit), "is_mine": g.actor.organisation_id == deposit.organisation_id,
        "holder": known[0].holder if known else None, "State": DepositState,
    }  # fmt: skip


@pages.get("/<uuid:deposit_id>/account")
@allow(*PARTIES)
def account(deposit_id: uuid.UUID):
    """The form for another account to receive the refund."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    return render_template(
        "escrow/account.html", deposit=deposit, party=looking.name_of(g.db, deposit),
        accounts=payees.of(g.db, deposit.organisation_id),
        payers=[(number, number) for number in sorted({one.payer_account for one in deposit.receipts} - {""})],
    )  # fmt: skip


@pages.post("/<uuid:deposit_id>/account")
@allow(*PARTIES)
def propose_account(deposit_id: uuid.UUID):
    """Name another account; two people at the centre look at it."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    body = forms.read(Account, request.form)
    payees.propose(
        g.db, deposit.organisation_id, name=body.name, number=body.number, bank=body.bank, evidence=body.evidence,
        replaces=body.replaces, by=g.actor,
    )  # fmt: skip
    return redirect(url_for(".account", deposit_id=deposit.id), code=303)


@pages.get("/<uuid:deposit_id>/again")
@allow(*PARTIES)
def again(deposit_id: uuid.UUID):
    """Confirm that a refund that came back is sent again to the same account."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    return render_template("escrow/again.html", deposit=deposit, State=DepositState)


@pages.post("/<uuid:deposit_id>/again")
@allow(*PARTIES)
def send_again(deposit_id: uuid.UUID):
    """Send one's own refund again."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    sending.reorder_deposit(g.db, deposit, by=g.actor)
    return redirect(url_for(".show", deposit_id=deposit.id), code=303)


@pages.get("/<uuid:deposit_id>/guarantee")
@allow(*PARTIES)
def guarantee(deposit_id: uuid.UUID):
    """The form for a letter of guarantee in place of money."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    return render_template("escrow/guarantee.html", deposit=deposit)


@pages.post("/<uuid:deposit_id>/guarantee")
@allow(*PARTIES)
def hand_in_guarantee(deposit_id: uuid.UUID):
    """Hand in a letter of guarantee; its issuer is asked whether it is genuine."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    body = forms.read(Letter, request.form)
    file = request.files.get("file")
    content = file.read(LARGEST_LETTER + 1) if file else b""
    if not content or len(content) > LARGEST_LETTER:
        raise LetterMissing
    digest = hashlib.sha256(content).hexdigest()
    letter = guarantees.hand_in(
        g.db, deposit, guarantor=body.guarantor, number=body.number, amount=body.amount,
        valid_until=body.valid_until, digest=digest, by=g.actor,
    )  # fmt: skip
    guarantees.keep(g.objects, letter, content)
    return redirect(url_for(".show", deposit_id=deposit.id), code=303)
