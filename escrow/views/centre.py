"""The centre's doors: deposits of opened references, refunds that came back, accounts to approve, forfeits."""

import uuid
from typing import Annotated, Literal

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from ca.rights import Role, allow
from escrow import deposits, looking, payees, sending
from escrow.models import DepositState, PayeeAccount, Refund
from escrow.views import pages
from storage import forms
from storage.db import find
from storage.refusals import NotFound


class Decision(BaseModel):
    """Yes or no, with a reason for a no."""

    decision: Literal["approve", "refuse"]
    reason: Annotated[str, Field(max_length=300)] = ""


@pages.get("/of/<path:reference>")
@allow(Role.CENTRE_STAFF, Role.SUPERVISOR)
def of(reference: str):
    """The deposits of one opened reference; before its opening there is no such page."""
    found = deposits.of(g.db, reference)
    if not found:
        raise NotFound
    return render_template(
        "escrow/of.html", deposits=found, names={one.id: looking.name_of(g.db, one) for one in found},
        flags=deposits.same_payers(g.db, reference), State=DepositState,
    )  # fmt: skip


@pages.get("/refunds")
@allow(Role.CENTRE_STAFF)
def refunds():
    """Refunds the bank rejected or sent back, and money that names no account to go back to."""
    return render_template("escrow/refunds.html", troubles=looking.troubles(g.db), suspense=looking.suspense(g.db))


@pages.get("/refunds/<uuid:refund_id>")
@allow(Role.CENTRE_STAFF)
def refund(refund_id: uuid.UUID):
    """Confirm that a refund is sent again."""
    waiting = {one.refund.id: one for one in looking.troubles(g.db)}
    if refund_id not in waiting:
        raise NotFound
    return render_template("escrow/refund.html", trouble=waiting[refund_id])


@pages.post("/refunds/<uuid:refund_id>")
@allow(Role.CENTRE_STAFF)
def reorder(refund_id: uuid.UUID):
    """Send a refund again, to the approved account if there is one."""
    sending.reorder(g.db, find(g.db, Refund, refund_id), by=g.actor)
    return redirect(url_for(".refunds"), code=303)


@pages.get("/accounts")
@allow(Role.CENTRE_STAFF)
def accounts():
    """Accounts that parties have named and that wait for two people."""
    return render_template("escrow/accounts.html", accounts=payees.waiting(g.db))


@pages.get("/accounts/<uuid:account_id>")
@allow(Role.CENTRE_STAFF)
def payee(account_id: uuid.UUID):
    """One such account."""
    return render_template("escrow/payee.html", account=find(g.db, PayeeAccount, account_id))


@pages.post("/accounts/<uuid:account_id>")
@allow(Role.CENTRE_STAFF)
def decide_payee(account_id: uuid.UUID):
    """Approve it, as the first or the second person, or refuse it."""
    body = forms.read(Decision, request.form)
    row = find(g.db, PayeeAccount, account_id)
    if body.decision == "approve":
        payees.approve(g.db, row, by=g.actor)
    else:
        payees.refuse(g.db, row, reason=body.reason, by=g.actor)
    return redirect(url_for(".accounts"), code=303)


@pages.get("/<uuid:deposit_id>/forfeit")
@allow(Role.CENTRE_STAFF)
def forfeit(deposit_id: uuid.UUID):
    """A deposit somebody asked to keep: confirm or drop."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    if deposit.state is not DepositState.FORFEIT_PENDING and g.refusal is None:
        raise NotFound
    return render_template("escrow/forfeit.html", deposit=deposit, party=looking.name_of(g.db, deposit))


@pages.post("/<uuid:deposit_id>/forfeit")
@allow(Role.CENTRE_STAFF)
def decide_forfeit(deposit_id: uuid.UUID):
    """The second person's word."""
    deposit = looking.see(g.db, deposit_id, g.actor)
    if forms.read(Decision, request.form).decision == "approve":
        deposits.confirm_forfeit(g.db, deposit, by=g.actor)
    else:
        deposits.drop_forfeit(g.db, deposit, by=g.actor)
    return redirect(url_for(".show", deposit_id=deposit.id), code=303)
