"""A procuring entity's pages: draft, documents, publish, call off."""

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field
from sqlalchemy import select

from bidding.tenders import awards, documents, notices
from bidding.tenders.models import Document, DocumentKind, Tender
from bidding.tenders.views.doors import mine, now, pages, shown
from ca.parties import Person, RoleHeld
from ca.rights import Role, allow
from storage import forms
from storage.db import find
from storage.forms import When, Yuan
from storage.refusals import NotFound, NotValid

METHODS = [("comprehensive", "综合评估法"), ("lowest_evaluated_price", "经评审的最低投标价法")]


class NoFileChosen(NotValid):
    says = "请选择要上传的文件。"


class TermsForm(BaseModel):
    name: str = Field(min_length=1, max_length=120)
    description: str = Field("", max_length=10_000)
    budget: Yuan
    ceiling_price: Yuan | None = None
    deposit_amount: Yuan
    submission_deadline: When
    unlock_until: When
    release_until: When
    own_holder: int
    holders: list[int] = Field(default_factory=list, max_length=8)
    threshold: int = Field(3, ge=2, le=7)
    method: str = Field("comprehensive", pattern="^[a-z_]{1,40}$")

    def terms(self, before: Tender | None = None) -> notices.Terms:
        """As the act takes them; the method's parameters stay as they were."""
        given = {name: getattr(self, name) for name in type(self).model_fields if name not in ("own_holder", "holders")}
        return notices.Terms(
            **given, holders=[self.own_holder, *self.holders], evaluation=before.evaluation if before else {}
        )


class KindForm(BaseModel):
    kind: DocumentKind


class ReasonForm(BaseModel):
    reason: str = Field(min_length=1, max_length=500)


@pages.get("/new")
@allow(Role.PROCURING_ENTITY)
def new():
    """A new tender."""
    return _form(None)


@pages.post("/new")
@allow(Role.PROCURING_ENTITY)
def draft():
    tender = notices.draft(g.db, forms.read(TermsForm, request.form).terms(), by=g.actor)
    return redirect(url_for(".papers", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/edit")
@allow(Role.PROCURING_ENTITY)
def edit(tender_id: int):
    """Change a draft."""
    return _form(mine(tender_id))


@pages.post("/<int:tender_id>/edit")
@allow(Role.PROCURING_ENTITY)
def amend(tender_id: int):
    tender = mine(tender_id)
    return shown(notices.edit(g.db, tender, forms.read(TermsForm, request.form).terms(tender), by=g.actor))


@pages.get("/<int:tender_id>/documents")
@allow(Role.PROCURING_ENTITY)
def papers(tender_id: int):
    """The tender's files."""
    tender = mine(tender_id)
    return render_template(
        "tenders/documents.html", tender=tender, kinds=Document.KIND_NAMES, files=documents.of(g.db, tender),
        is_draft=tender.published_at is None,
    )  # fmt: skip


@pages.post("/<int:tender_id>/documents")
@allow(Role.PROCURING_ENTITY)
def add_paper(tender_id: int):
    tender = mine(tender_id)
    sent = request.files.get("file")
    if sent is None or not sent.filename:
        raise NoFileChosen
    form = forms.read(KindForm, request.form)
    documents.add(g.db, g.objects, tender, form.kind, sent.filename, sent.stream, by=g.actor)
    return redirect(url_for(".papers", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/documents/<int:document_id>/removal")
@allow(Role.PROCURING_ENTITY)
def removing_paper(tender_id: int, document_id: int):
    """Take a file out of a draft?"""
    tender = mine(tender_id)
    return render_template("tenders/removal.html", tender=tender, file=documents.seen(g.db, tender, document_id))


@pages.post("/<int:tender_id>/documents/<int:document_id>/removal")
@allow(Role.PROCURING_ENTITY)
def remove_paper(tender_id: int, document_id: int):
    tender = mine(tender_id)
    documents.remove(g.db, g.objects, documents.seen(g.db, tender, document_id), by=g.actor)
    return redirect(url_for(".papers", tender_id=tender.id), code=303)


@pages.get("/<int:tender_id>/publication")
@allow(Role.PROCURING_ENTITY)
def publication(tender_id: int):
    """What will be published, and which rules it must keep."""
    tender = mine(tender_id)
    return render_template(
        "tenders/publication.html", tender=tender, rules=tender.rules, files=documents.of(g.db, tender), now_=now(),
        holders=[find(g.db, Person, number) for number in tender.holders],
    )  # fmt: skip


@pages.post("/<int:tender_id>/publication")
@allow(Role.PROCURING_ENTITY)
def publish(tender_id: int):
    return shown(notices.publish(g.db, mine(tender_id), by=g.actor))


@pages.get("/<int:tender_id>/redrafting")
@allow(Role.PROCURING_ENTITY)
def redrafting(tender_id: int):
    """Back to a draft while it waits for its holders?"""
    return render_template("tenders/redrafting.html", tender=mine(tender_id))


@pages.post("/<int:tender_id>/redrafting")
@allow(Role.PROCURING_ENTITY)
def redraft(tender_id: int):
    return shown(notices.back_to_draft(g.db, mine(tender_id), by=g.actor))


@pages.get("/<int:tender_id>/cancellation")
@allow(Role.PROCURING_ENTITY)
def cancelling(tender_id: int):
    """Call a tender off, or end it without a winner."""
    tender = mine(tender_id)
    return render_template("tenders/cancellation.html", tender=tender)


@pages.post("/<int:tender_id>/cancellation")
@allow(Role.PROCURING_ENTITY)
def cancel(tender_id: int):
    form = forms.read(ReasonForm, request.form)
    return shown(awards.cancel(g.db, mine(tender_id), form.reason, by=g.actor))


def _form(tender: Tender | None):
    people = g.db.scalars(
        select(Person).join(RoleHeld).where(RoleHeld.role == Role.KEY_HOLDER, Person.is_active).order_by(Person.id)
    ).all()
    own = [person for person in people if person.organisation_id == g.actor.organisation_id]
    others = [person for person in people if person.organisation_id not in (None, g.actor.organisation_id)]
    if tender is not None and tender.opening_id is not None:
        raise NotFound(what=Tender.called)
    return render_template(
        "tenders/draft.html", tender=tender, own=_choices(own), others=_choices(others), methods=METHODS
    )


def _choices(people: list[Person]) -> list[tuple[int, str, str]]:
    return [(person.id, person.name, person.organisation.name if person.organisation else "") for person in people]
