"""Pages everybody may read: the list, one project with its story and proofs, the bundle."""

import json
from typing import Any

from flask import Response, g, render_template, request
from sqlalchemy import select

from bidding.supermarket import contributions, registration, results
from bidding.supermarket.models import METHOD_NAMES, Project, ServiceItem, State
from bidding.supermarket.views import hall, listing, story
from bidding.supermarket.views.api import bundle_file
from bidding.supermarket.views.doors import keys, pages, seen
from ca.parties import Region
from ca.rights import Role, public
from storage.refusals import NotFound

PAGE = 20
HIDDEN = (State.DRAFT, State.PREPARING)


@pages.get("/")
@public
def index():
    """The public list with its search; an owner finds its own drafts on top."""
    search = listing.Search(
        words=request.args.get("q", "")[:80],
        state=_state(request.args.get("state", "")),
        item_id=_number(request.args.get("item", "")),
        region_id=_number(request.args.get("region", "")),
    )
    page = max(1, _number(request.args.get("page", "")) or 1)
    found = listing.published(g.db, search, page=page, size=PAGE)
    return render_template(
        "supermarket/index.html", projects=found, count=listing.count(g.db, search), page=page, size=PAGE,
        mine=_my_projects(), search=search, states=[each for each in State if each not in HIDDEN],
        items=g.db.scalars(select(ServiceItem).order_by(ServiceItem.code)).all(),
        regions=g.db.scalars(select(Region).order_by(Region.code)).all(), State=State, Project=Project,
        may_begin=g.actor is not None and g.actor.is_a(Role.PROJECT_OWNER),
    )  # fmt: skip


@pages.get("/projects/<int:project_id>")
@public
def show(project_id: int):
    """One project: where it stands, what comes next, what I can do now, and the proofs."""
    project = seen(project_id)
    return render_template("supermarket/project.html", project=project, **facts(project))


def facts(project: Project) -> dict[str, Any]:
    """What the project's page shows to whoever looks."""
    draw = project.latest_draw
    return {
        "draw": draw,
        "notice": json.loads(draw.notice) if draw and draw.notice else None,
        "timeline": story.timeline(g.db, project),
        "act": primary_act(project),
        "sealed": story.sealed(draw) if draw else [],
        "State": State,
        "method": METHOD_NAMES[project.method],
        "failures": results.FAILURES,
        "reasons": registration.REASONS,
        "is_owner": _is_owner(project),
        "is_selected": _is_selected(project),
        "suspension": hall.suspension(draw.opening) if draw else "",
    }


def primary_act(project: Project) -> str | None:
    """The one thing this visitor can do now, by its word."""
    actor = g.actor
    if actor is None:
        return None
    if _is_owner(project) and project.state is State.DRAFT:
        return "publish"
    if project.state is State.REGISTRATION:
        label = contributions.label_for(project, actor)
        if label and label not in {each.label for each in project.draw.contributions}:
            return "contribute"
        if actor.is_a(Role.INTERMEDIARY):
            mine = registration.receipt(g.db, project, keys=keys(), by=actor)
            return "see_receipt" if mine else "register"
    if _is_owner(project) and any(each.answer is None for each in project.objections):
        return "answer"
    return None


@pages.get("/projects/<int:project_id>/bundle.json")
@public
def bundle(project_id: int):
    """The bundle, to take home and to check with `verify_draw.py`."""
    return bundle_file(seen(project_id))


@pages.get("/projects/<int:project_id>/notice.json")
@public
def notice(project_id: int):
    """The signed notice of the draw, as its canonical text and two signatures."""
    draw = seen(project_id).latest_draw
    if draw is None or draw.notice is None:
        raise NotFound
    told = {"notice": json.loads(draw.notice), "signatures": draw.notice_signatures}
    return Response(json.dumps(told, ensure_ascii=False, sort_keys=True), content_type="application/json")


def _my_projects() -> list[Project]:
    if g.actor is None or not g.actor.is_a(Role.PROJECT_OWNER):
        return []
    mine = select(Project).filter_by(owner_id=g.actor.organisation_id).order_by(Project.id.desc()).limit(PAGE)
    return list(g.db.scalars(mine))


def _is_owner(project: Project) -> bool:
    actor = g.actor
    return actor is not None and actor.is_a(Role.PROJECT_OWNER) and actor.organisation_id == project.owner_id


def _is_selected(project: Project) -> bool:
    actor = g.actor
    return (
        actor is not None
        and actor.is_a(Role.INTERMEDIARY)
        and project.selected_id is not None
        and actor.organisation_id == project.selected_id
    )


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _state(text: str) -> State | None:
    return State(text) if text in {state.value for state in State} else None
