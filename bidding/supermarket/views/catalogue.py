"""Pages of the catalogue: service items and who is admitted for them."""

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field
from sqlalchemy import select

from bidding.supermarket import catalogue, publishing
from bidding.supermarket.models import STANDINGS, Admission, ServiceItem, Standing
from bidding.supermarket.views.doors import pages
from ca.parties import Organisation
from ca.rights import Role, allow, public
from storage import forms
from storage.db import find
from storage.forms import Code, When


class ItemForm(BaseModel):
    code: str = Field(max_length=20)
    name: str = Field(max_length=120)
    requirement: str = Field("", max_length=2000)
    law: str = Field("", max_length=2000)


class AdmissionForm(BaseModel):
    credit_code: Code
    valid_from: When
    valid_until: When


class StandingForm(BaseModel):
    standing: Standing
    reason: str = Field(max_length=500)


@pages.get("/items")
@public
def items():
    """The catalogue."""
    return render_template("supermarket/items.html", items=catalogue.items(g.db))


@pages.get("/items/<int:item_id>")
@public
def item(item_id: int):
    """One item and everybody admitted for it."""
    found = find(g.db, ServiceItem, item_id)
    return render_template(
        "supermarket/item.html", item=found, admissions=catalogue.admissions(g.db, found),
        standings=STANDINGS, is_mine=_is_mine(found),
    )  # fmt: skip


@pages.get("/items/new")
@allow(Role.AUTHORITY)
def new_item():
    """Add a service item."""
    return render_template("supermarket/item_form.html")


@pages.post("/items/new")
@allow(Role.AUTHORITY)
def add_item():
    form = forms.read(ItemForm, request.form)
    made = catalogue.add_item(g.db, form.code, form.name, requirement=form.requirement, law=form.law, by=g.actor)
    return redirect(url_for(".item", item_id=made.id), code=303)


@pages.get("/items/<int:item_id>/admissions/new")
@allow(Role.AUTHORITY)
def new_admission(item_id: int):
    """Admit an organisation."""
    return render_template("supermarket/admission_form.html", item=find(g.db, ServiceItem, item_id))


@pages.post("/items/<int:item_id>/admissions/new")
@allow(Role.AUTHORITY)
def admit(item_id: int):
    form = forms.read(AdmissionForm, request.form)
    firm = g.db.scalar(select(Organisation).filter_by(credit_code=form.credit_code))
    if firm is None:
        raise publishing.NoSuchFirm(code=form.credit_code)
    catalogue.admit(g.db, firm, find(g.db, ServiceItem, item_id), form.valid_from, form.valid_until, by=g.actor)
    return redirect(url_for(".item", item_id=item_id), code=303)


@pages.get("/admissions/<int:admission_id>")
@allow(Role.AUTHORITY)
def admission(admission_id: int):
    """How an intermediary stands."""
    return render_template(
        "supermarket/standing.html", admission=find(g.db, Admission, admission_id), standings=STANDINGS
    )


@pages.post("/admissions/<int:admission_id>")
@allow(Role.AUTHORITY)
def set_standing(admission_id: int):
    form = forms.read(StandingForm, request.form)
    found = find(g.db, Admission, admission_id)
    catalogue.set_standing(g.db, found, form.standing, reason=form.reason, by=g.actor)
    return redirect(url_for(".item", item_id=found.item_id), code=303)


def _is_mine(found: ServiceItem) -> bool:
    actor = g.actor
    return actor is not None and actor.is_a(Role.AUTHORITY) and actor.organisation_id == found.authority_id
