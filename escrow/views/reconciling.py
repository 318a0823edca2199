"""Reconciliation on a page 对账: does everything agree, what does not, and a person's explanation."""

from typing import Annotated

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from ca.rights import Role, allow
from escrow import reconciliation
from escrow.banks import polling, reach
from escrow.models import Reconciliation
from escrow.views import pages
from storage import forms
from storage.db import find
from storage.values import Money


class Explained(BaseModel):
    """What a difference is."""

    key: Annotated[str, Field(max_length=160)]
    note: Annotated[str, Field(min_length=4, max_length=500)]


@pages.get("/reconciliation")
@allow(Role.CENTRE_STAFF, Role.SUPERVISOR)
def reconciliations():
    """The newest comparison of each bank account."""
    return render_template(
        "escrow/reconciliation.html", found=reconciliation.latest(g.db), kinds=reconciliation.KIND_NAMES,
        may_ask=g.actor.is_a(Role.CENTRE_STAFF),
    )  # fmt: skip


@pages.post("/reconciliation")
@allow(Role.CENTRE_STAFF)
def ask():
    """Compare now: the bank is asked for the day so far."""
    for bank in reach.banks(g.db):
        polling.ask_now(g.db, bank.name)
    return redirect(url_for(".reconciliations"), code=303)


@pages.get("/reconciliation/<int:row_id>")
@allow(Role.CENTRE_STAFF, Role.SUPERVISOR)
def differences(row_id: int):
    """One comparison and its differences."""
    return render_template(
        "escrow/differences.html", row=find(g.db, Reconciliation, row_id), kinds=reconciliation.KIND_NAMES,
        may_explain=g.actor.is_a(Role.CENTRE_STAFF), money_of=Money,
    )  # fmt: skip


@pages.post("/reconciliation/<int:row_id>")
@allow(Role.CENTRE_STAFF)
def explain(row_id: int):
    """Say what a difference is."""
    body = forms.read(Explained, request.form)
    reconciliation.explain(g.db, find(g.db, Reconciliation, row_id), body.key, body.note, by=g.actor)
    return redirect(url_for(".differences", row_id=row_id), code=303)
