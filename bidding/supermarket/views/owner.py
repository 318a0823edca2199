"""An owner's pages: draft, publish, contribute, withdraw, answer."""

from flask import g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field
from sqlalchemy import select

from bidding.supermarket import catalogue, contributions, publishing, results
from bidding.supermarket.models import METHOD_NAMES, Objection, Project
from bidding.supermarket.views.doors import pages, seen
from ca.parties import Organisation
from ca.rights import Role, allow
from storage import forms
from storage.db import find
from storage.forms import Code, When
from storage.refusals import NotFound


class Publication(BaseModel):
    closes_at: When


class Reason(BaseModel):
    reason: str = Field(max_length=2000)


class Answer(BaseModel):
    text: str = Field(max_length=5000)


class RecusalForm(BaseModel):
    credit_code: Code
    reason: str = Field(max_length=200)


class BoxForm(BaseModel):
    box: str = Field(max_length=8192)


@pages.get("/projects/new")
@allow(Role.PROJECT_OWNER)
def new():
    """A new project."""
    return _form(None)


@pages.post("/projects/new")
@allow(Role.PROJECT_OWNER)
def draft():
    project = publishing.draft(g.db, forms.read(publishing.Terms, request.form), by=g.actor)
    return _shown(project)


@pages.get("/projects/<int:project_id>/edit")
@allow(Role.PROJECT_OWNER)
def edit(project_id: int):
    """Change a draft."""
    return _form(_mine(project_id))


@pages.post("/projects/<int:project_id>/edit")
@allow(Role.PROJECT_OWNER)
def amend(project_id: int):
    terms = forms.read(publishing.Terms, request.form)
    return _shown(publishing.amend(g.db, _mine(project_id), terms, by=g.actor))


@pages.get("/projects/<int:project_id>/recusals")
@allow(Role.PROJECT_OWNER)
def recusals(project_id: int):
    """Firms that must stay out of it."""
    return render_template("supermarket/recusals.html", project=_mine(project_id))


@pages.post("/projects/<int:project_id>/recusals")
@allow(Role.PROJECT_OWNER)
def recuse(project_id: int):
    form = forms.read(RecusalForm, request.form)
    firm = g.db.scalar(select(Organisation).filter_by(credit_code=form.credit_code))
    if firm is None:
        raise publishing.NoSuchFirm(code=form.credit_code)
    publishing.recuse(g.db, _mine(project_id), firm, reason=form.reason, by=g.actor)
    return redirect(url_for(".recusals", project_id=project_id), code=303)


@pages.get("/projects/<int:project_id>/publication")
@allow(Role.PROJECT_OWNER)
def publication(project_id: int):
    """When the registration closes."""
    project = _mine(project_id)
    the = publishing.rules_for(g.db, project)
    _, earliest = publishing.latest_notice(g.db, the)
    return render_template("supermarket/publication.html", project=project, rules=the, earliest=earliest)


@pages.post("/projects/<int:project_id>/publication")
@allow(Role.PROJECT_OWNER)
def publish(project_id: int):
    form = forms.read(Publication, request.form)
    return _shown(publishing.publish(g.db, _mine(project_id), form.closes_at, by=g.actor))


@pages.get("/projects/<int:project_id>/withdrawal")
@allow(Role.PROJECT_OWNER)
def withdrawal(project_id: int):
    """Take a project back."""
    return render_template("supermarket/withdrawal.html", project=_mine(project_id))


@pages.post("/projects/<int:project_id>/withdrawal")
@allow(Role.PROJECT_OWNER)
def withdraw(project_id: int):
    form = forms.read(Reason, request.form)
    project = _mine(project_id)
    publishing.withdraw(g.db, project, reason=form.reason, by=g.actor)
    return _shown(project)


@pages.get("/projects/<int:project_id>/contribution")
@allow(Role.PROJECT_OWNER, Role.SUPERVISOR)
def contribution(project_id: int):
    """Seal one's 32 bytes of chance in the browser, or hand in a box made by `gongheng contribute`."""
    project = seen(project_id)
    label = contributions.label_for(project, g.actor)
    if label is None or project.published_at is None:
        raise NotFound
    mine = [each for each in project.draw.contributions if each.label == label]
    return render_template(
        "supermarket/contribution.html", project=project, label=label, draw=project.draw,
        name=contributions.LABEL_NAMES[label], mine=max(mine, key=lambda each: each.seq, default=None),
    )  # fmt: skip


@pages.post("/projects/<int:project_id>/contribution")
@allow(Role.PROJECT_OWNER, Role.SUPERVISOR)
def contribute(project_id: int):
    form = forms.read(BoxForm, request.form)
    contributions.contribute(g.db, seen(project_id), contributions.unhex(form.box.strip()), by=g.actor)
    return redirect(url_for(".contribution", project_id=project_id), code=303)


@pages.get("/objections/<int:objection_id>/answer")
@allow(Role.PROJECT_OWNER)
def answering(objection_id: int):
    """Answer an objection."""
    objection = find(g.db, Objection, objection_id)
    project = _mine(objection.project_id)
    return render_template("supermarket/answer.html", project=project, objection=objection)


@pages.post("/objections/<int:objection_id>/answer")
@allow(Role.PROJECT_OWNER)
def answer(objection_id: int):
    form = forms.read(Answer, request.form)
    objection = find(g.db, Objection, objection_id)
    project = _mine(objection.project_id)
    results.answer(g.db, objection, form.text, by=g.actor)
    return _shown(project)


def _mine(project_id: int) -> Project:
    """A project of the visitor's own organisation; another's is shown by its public page only."""
    project = seen(project_id)
    if project.owner_id != g.actor.organisation_id:
        raise NotFound(what=Project.called)
    return project


def _form(project: Project | None):
    items = [(item.id, item.name) for item in catalogue.items(g.db)]
    return render_template("supermarket/draft.html", project=project, items=items, methods=METHOD_NAMES)


def _shown(project: Project):
    return redirect(url_for(".show", project_id=project.id), code=303)
