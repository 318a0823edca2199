"""Calls for programs: the same acts as the pages, one by one."""

import json
from typing import Any

from flask import Response, g
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from bidding.supermarket import catalogue, contributions, publishing, registration, results
from bidding.supermarket.models import Admission, Objection, Project, ServiceItem, State
from bidding.supermarket.views import listing
from bidding.supermarket.views.doors import api, keys, seen
from ca.parties import Organisation
from ca.rights import Role, allow, public
from ca.sealing.params import is_hex
from storage.db import find
from storage.forms import Code, When, Yuan
from storage.refusals import NotFound

PAGE = 50


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ItemIn(Strict):
    code: str = Field(min_length=1, max_length=20)
    name: str = Field(min_length=1, max_length=120)
    requirement: str = Field("", max_length=2000)
    law: str = Field("", max_length=2000)


class ItemOut(BaseModel):
    id: int
    code: str
    name: str
    requirement: str
    law: str


class ItemList(BaseModel):
    items: list[ItemOut]


class AdmissionIn(Strict):
    credit_code: Code
    valid_from: When
    valid_until: When


class AdmissionOut(BaseModel):
    id: int
    firm: str
    credit_code: str
    valid_from: When
    valid_until: When
    standing: str


class Publication(Strict):
    closes_at: When


class Reason(Strict):
    reason: str = Field(min_length=1, max_length=2000)


class RecusalIn(Strict):
    credit_code: Code
    reason: str = Field(min_length=1, max_length=200)


class Box(Strict):
    box: str = Field(max_length=8192, description="the sealed contribution in hex")


class Registration(Strict):
    """What the firm's client made; the server keeps it unreadable and gives a receipt."""

    body: dict[str, Any]


class Secret(Strict):
    secret: str = Field(min_length=64, max_length=64, description="hex")


class Text(Strict):
    text: str = Field(min_length=1, max_length=5000)


class ProjectOut(BaseModel):
    id: int
    number: str
    title: str
    scope: str
    item: str
    owner: str
    region: str | None
    budget: Yuan
    method: str
    state: str
    published_at: When | None
    closes_at: When | None
    objections_until: When | None
    failure: str | None
    selected: str | None = Field(description="the selected firm, after the result")
    check_code: str | None
    opening: str | None
    params: str | None = Field(description="canonical text of the draw's parameters")
    contributed: dict[str, int] = Field(description="who has sealed a contribution: label and latest seq")
    label: str | None = Field(description="as whom the caller may contribute")


class ProjectList(BaseModel):
    projects: list[ProjectOut]
    page: int


class ProjectQuery(BaseModel):
    q: str = Field("", max_length=80)
    state: State | None = None
    page: int = Field(1, ge=1, le=100000)


class Receipt(BaseModel):
    receipt: dict[str, Any]


class Done(BaseModel):
    state: str


@api.get("/items")
@public
@api.output(ItemList)
def items():
    """The catalogue of service items."""
    return {"items": [_item(item) for item in catalogue.items(g.db)]}


@api.post("/items")
@allow(Role.AUTHORITY)
@api.input(ItemIn, arg_name="body")
@api.output(ItemOut, status_code=201)
def add_item(body: ItemIn):
    """Add a service item."""
    return _item(catalogue.add_item(g.db, body.code, body.name, requirement=body.requirement, law=body.law, by=g.actor))


@api.post("/items/<int:item_id>/admissions")
@allow(Role.AUTHORITY)
@api.input(AdmissionIn, arg_name="body")
@api.output(AdmissionOut, status_code=201)
def admit(item_id: int, body: AdmissionIn):
    """Admit an organisation for an item."""
    firm = _firm(body.credit_code)
    item = find(g.db, ServiceItem, item_id)
    admission = catalogue.admit(g.db, firm, item, body.valid_from, body.valid_until, by=g.actor)
    return _admission(admission, firm)


@api.get("/projects")
@public
@api.input(ProjectQuery, location="query", arg_name="query")
@api.output(ProjectList)
def projects(query: ProjectQuery):
    """Published projects, newest first."""
    found = listing.published(g.db, listing.Search(query.q, query.state), page=query.page, size=PAGE)
    return {"projects": [_project(project) for project in found], "page": query.page}


@api.post("/projects")
@allow(Role.PROJECT_OWNER)
@api.input(publishing.Terms, arg_name="body")
@api.output(ProjectOut, status_code=201)
def draft(body: publishing.Terms):
    """Begin a project."""
    return _project(publishing.draft(g.db, body, by=g.actor))


@api.get("/projects/<int:project_id>")
@public
@api.output(ProjectOut)
def show(project_id: int):
    """One project."""
    return _project(seen(project_id))


@api.put("/projects/<int:project_id>")
@allow(Role.PROJECT_OWNER)
@api.input(publishing.Terms, arg_name="body")
@api.output(ProjectOut)
def amend(project_id: int, body: publishing.Terms):
    """Change a draft."""
    return _project(publishing.amend(g.db, seen(project_id), body, by=g.actor))


@api.post("/projects/<int:project_id>/recusals")
@allow(Role.PROJECT_OWNER)
@api.input(RecusalIn, arg_name="body")
@api.output(Done, status_code=201)
def recuse(project_id: int, body: RecusalIn):
    """Keep a firm out of a draft's project."""
    project = seen(project_id)
    publishing.recuse(g.db, project, _firm(body.credit_code), reason=body.reason, by=g.actor)
    return {"state": project.state.value}


@api.post("/projects/<int:project_id>/publication")
@allow(Role.PROJECT_OWNER)
@api.input(Publication, arg_name="body")
@api.output(ProjectOut)
def publish(project_id: int, body: Publication):
    """Submit a draft: the notice appears as soon as the key holders have joined."""
    return _project(publishing.publish(g.db, seen(project_id), body.closes_at, by=g.actor))


@api.post("/projects/<int:project_id>/withdrawal")
@allow(Role.PROJECT_OWNER)
@api.input(Reason, arg_name="body")
@api.output(Done)
def withdraw(project_id: int, body: Reason):
    """Take a project back before the registration closes."""
    project = seen(project_id)
    publishing.withdraw(g.db, project, reason=body.reason, by=g.actor)
    return {"state": project.state.value}


@api.post("/projects/<int:project_id>/contributions")
@allow(Role.PROJECT_OWNER, Role.SUPERVISOR)
@api.input(Box, arg_name="body")
@api.output(Done, status_code=201)
def contribute(project_id: int, body: Box):
    """Hand in a sealed contribution to the seed."""
    project = seen(project_id)
    contributions.contribute(g.db, project, contributions.unhex(body.box), by=g.actor)
    return {"state": project.state.value}


@api.post("/projects/<int:project_id>/registration")
@allow(Role.INTERMEDIARY)
@api.input(Registration, arg_name="body")
@api.output(Receipt, status_code=201)
def register(project_id: int, body: Registration):
    """Register blind; safe to repeat."""
    receipt = registration.register(g.db, seen(project_id), body.body, keys=keys(), by=g.actor)
    return {"receipt": receipt.written()}


@api.get("/projects/<int:project_id>/registration")
@allow(Role.INTERMEDIARY)
@api.output(Receipt)
def receipt(project_id: int):
    """One's own receipt; an empty one when one is not registered."""
    mine = registration.receipt(g.db, seen(project_id), keys=keys(), by=g.actor)
    return {"receipt": mine.written() if mine else {}}


@api.post("/projects/<int:project_id>/registration/withdrawal")
@allow(Role.INTERMEDIARY)
@api.input(Secret, arg_name="body")
@api.output(Done)
def withdraw_registration(project_id: int, body: Secret):
    """Withdraw one's registration by its secret."""
    if not is_hex(body.secret, 32):
        raise registration.WrongSecret
    project = seen(project_id)
    registration.withdraw(g.db, project, bytes.fromhex(body.secret), keys=keys(), by=g.actor)
    return {"state": project.state.value}


@api.get("/projects/<int:project_id>/notice")
@public
def notice(project_id: int):
    """The signed notice of the draw."""
    draw = seen(project_id).latest_draw
    if draw is None or draw.notice is None:
        raise NotFound
    told = {"notice": json.loads(draw.notice), "signatures": draw.notice_signatures}
    return Response(json.dumps(told, ensure_ascii=False, sort_keys=True), content_type="application/json")


@api.get("/projects/<int:project_id>/bundle")
@public
def bundle(project_id: int):
    """The bundle from which anybody recomputes the draw."""
    return bundle_file(seen(project_id))


@api.post("/projects/<int:project_id>/objections")
@allow(Role.INTERMEDIARY)
@api.input(Text, arg_name="body")
@api.output(Done, status_code=201)
def object_to(project_id: int, body: Text):
    """Raise an objection to the result."""
    project = seen(project_id)
    results.object_to(g.db, project, body.text, by=g.actor)
    return {"state": project.state.value}


@api.post("/objections/<int:objection_id>/answer")
@allow(Role.PROJECT_OWNER)
@api.input(Text, arg_name="body")
@api.output(Done)
def answer(objection_id: int, body: Text):
    """Answer an objection."""
    objection = find(g.db, Objection, objection_id)
    project = seen(objection.project_id)
    results.answer(g.db, objection, body.text, by=g.actor)
    return {"state": project.state.value}


@api.post("/projects/<int:project_id>/declining")
@allow(Role.INTERMEDIARY)
@api.input(Reason, arg_name="body")
@api.output(Done)
def decline(project_id: int, body: Reason):
    """The selected firm gives up; the next in the order takes its place."""
    project = seen(project_id)
    results.decline(g.db, project, reason=body.reason, by=g.actor)
    return {"state": project.state.value}


def bundle_file(project: Project) -> Response:
    """The bundle as a file. Raises NotFound before the result."""
    draw = project.latest_draw
    if draw is None or draw.bundle is None:
        raise NotFound
    name = f"{draw.opening.name.replace(':', '-')}.json"
    answer = Response(draw.bundle, content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _firm(code: str) -> Organisation:
    firm = g.db.scalar(select(Organisation).filter_by(credit_code=code))
    if firm is None:
        raise NotFound(what=Organisation.called)
    return firm


def _item(item: ServiceItem) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ("id", "code", "name", "requirement", "law")}


def _admission(admission: Admission, firm: Organisation) -> dict[str, Any]:
    return {
        "id": admission.id, "firm": firm.name, "credit_code": firm.credit_code,
        "valid_from": admission.valid_from, "valid_until": admission.valid_until,
        "standing": admission.standing.value,
    }  # fmt: skip


def _project(project: Project) -> dict[str, Any]:
    draw = project.latest_draw
    return {
        "id": project.id, "number": project.number, "title": project.title, "scope": project.scope,
        "item": project.item.name, "owner": project.owner.name,
        "region": project.region.name if project.region else None, "budget": project.budget,
        "method": project.method.value, "state": project.state.value, "published_at": project.published_at,
        "closes_at": project.closes_at, "objections_until": project.objections_until,
        "failure": project.failure,
        "selected": project.selected.name if project.selected else None, "check_code": project.check_code,
        "opening": draw.opening.name if draw else None, "params": draw.opening.params if draw else None,
        "contributed": contributions.latest_seqs(draw) if draw else {},
        "label": contributions.label_for(project, g.actor) if g.actor else None,
    }  # fmt: skip
