"""摇号大厅 The draw hall: every step before everyone's eyes, live, and afterwards as a record."""

import hashlib
import json
from typing import Any

from flask import g, make_response, render_template
from flask_babel import gettext as _
from sqlalchemy import select

from bidding.supermarket.models import Draw, Project, State
from bidding.supermarket.views import story
from bidding.supermarket.views.doors import pages, seen
from ca import canonical
from ca.draws import pool
from ca.openings import Opening
from ca.openings import State as OpeningState
from ca.parties import Organisation
from ca.rights import public
from ca.tagged import mac
from storage.refusals import NotFound

OVER = (State.FAILED, State.WITHDRAWN, State.RESULT, State.NOTICE_ISSUED)


@pages.get("/projects/<int:project_id>/hall")
@public
def hall(project_id: int):
    """The hall in big type."""
    project, draw = _in_hall(project_id)
    return render_template("supermarket/hall.html", project=project, draw=draw, **told(project, draw))


@pages.get("/projects/<int:project_id>/hall/live")
@public
def hall_live(project_id: int):
    """What changes in the hall, asked for each second while the page stands open."""
    project, draw = _in_hall(project_id)
    answer = make_response(
        render_template("supermarket/hall_live.html", project=project, draw=draw, **told(project, draw))
    )
    answer.set_etag(hashlib.sha256(answer.get_data()).hexdigest()[:32])
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _in_hall(project_id: int) -> tuple[Project, Draw]:
    project = seen(project_id)
    if project.latest_draw is None or project.published_at is None:
        raise NotFound
    return project, project.draw


def told(project: Project, draw: Draw) -> dict[str, Any]:
    """What the hall shows: the steps, and after the result the whole order."""
    return {
        "steps": steps(project, draw),
        "State": State,
        "over": project.state in OVER,
        "order": order(project, draw),
        "pc": pool.commitment(json.loads(draw.pool)).hex() if draw.pool else None,
        "root": json.loads(draw.pool)["root"] if draw.pool else None,
        "bundle_hash": hashlib.sha256(draw.bundle.encode()).hexdigest() if draw.bundle else None,
    }


def steps(project: Project, draw: Draw) -> list[dict[str, Any]]:
    """The way of a draw, and how far it has come."""
    failed = project.state in (State.FAILED, State.WITHDRAWN)
    done = {
        "registration": draw.pool is not None or failed,
        "sealed": draw.pool is not None or failed,
        "committed": draw.pool is not None,
        "released": draw.seed is not None,
        "seed": draw.seed is not None,
        "named": project.result_at is not None,
    }
    notes = {
        "registration": _("规则、容量和持有人已在公告中锁定。谁报名、多少家报名，此时从任何页面和接口都看不到。"),
        "sealed": _contributors(draw),
        "committed": _("名单已锁定，承诺值已公布，任何人不能再增减。"),
        "released": _holders(draw.opening),
        "seed": _("种子由名单承诺值和各方随机数算出，没有人能选定它。"),
        "named": _("名称此时才第一次出现。"),
    }
    titles = {
        "registration": _("公告发布，盲选报名"),
        "sealed": _("各方密封随机数"),
        "committed": _("报名截止，锁定名单"),
        "released": _("密钥持有人释放密钥"),
        "seed": _("形成种子，计算顺序"),
        "named": _("公布中选机构"),
    }
    moments = {
        "registration": project.published_at,
        "committed": project.closes_at if draw.pool else None,
        "named": project.result_at,
    }
    lines, current = [], not failed
    for name, title in titles.items():
        state = "done" if done[name] else "now" if current else "stop" if failed else "next"
        current = (current and state != "now") or (name == "registration" and state == "now")
        lines.append({"title": title, "state": state, "note": notes[name], "at": moments.get(name)})
    return lines


def _contributors(draw: Draw) -> str:
    there: list[str] = []
    missing: list[str] = []
    for each in story.sealed(draw):
        words = each["name"]
        (there if each["sealed"] else missing).append(_(words))
    sealed = _("已密封：%(names)s。", names=_("、").join(there)) if there else ""
    return sealed + (_("还没有：%(names)s。", names=_("、").join(missing)) if missing else "")


def _holders(opening: Opening) -> str:
    released = sum(seat.key is not None for seat in opening.seats)
    told = _(
        "%(n)s 名持有人中已有 %(released)s 名释放，需要 %(m)s 名。",
        n=len(opening.seats), released=released, m=opening.m,
    )  # fmt: skip
    return told + suspension(opening)


def suspension(opening: Opening) -> str:
    """Who did not release in time, by name; empty while nothing is suspended."""
    if opening.state is not OpeningState.SUSPENDED:
        return ""
    missing = [seat.person.organisation.name if seat.person.organisation else seat.holder
               for seat in opening.seats if seat.key is None]  # fmt: skip
    return _(
        "规定时间内释放的密钥不足，摇号已中止；尚未释放：%(names)s。名单和随机数都不再改变，补交后自动继续。",
        names=_("、").join(missing),
    )


def order(project: Project, draw: Draw) -> list[dict[str, Any]]:
    """Every registrant in the order drawn, with the number that put it there; empty before the result."""
    if draw.bundle is None or draw.seed is None:
        return []
    told_ = canonical.decode(draw.bundle.encode())
    firms = {entry["entry"]: entry["body"]["firm"] for entry in told_["entries"]}
    names = {
        firm.credit_code: firm.name
        for firm in g.db.scalars(select(Organisation).where(Organisation.credit_code.in_(firms.values())))
    }
    seed = bytes.fromhex(draw.seed)
    lines = []
    for place, entry in enumerate(told_["order"]["select"]):
        code = firms[entry]
        lines.append(
            {
                "place": place + 1,
                "name": names[code],
                "code": code,
                "entry": entry,
                "rank": mac(seed, "rank", "select", bytes.fromhex(entry)).hex(),
                "is_selected": project.selected is not None and code == project.selected.credit_code,
                "declined": place < draw.place,
            }
        )
    return lines
