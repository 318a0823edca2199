"""抽取大厅 The draw of experts, step by step; and the contribution of procuring entity and supervisor."""

import hashlib

from flask import g, make_response, redirect, render_template, request, url_for
from flask_babel import gettext as _
from pydantic import BaseModel, Field

from ca import canonical
from ca.draws import pool
from ca.rights import Role, allow
from evaluation import experts, seeing
from evaluation.models import ExpertDraw, State
from evaluation.views import story
from evaluation.views.api import FOLLOWERS, bundle_of
from evaluation.views.doors import pages
from storage import forms
from storage.refusals import NotFound


class BoxForm(BaseModel):
    box: str = Field(min_length=1, max_length=2 * experts.LONGEST_BOX)


@pages.get("/draws/<int:draw_id>")
@allow(*FOLLOWERS)
def hall(draw_id: int):
    """The draw in big type, and afterwards the same as a record."""
    return render_template("evaluation/hall.html", **told(seeing.draw(g.db, draw_id, g.actor)))


@pages.get("/draws/<int:draw_id>/live")
@allow(*FOLLOWERS)
def hall_live(draw_id: int):
    """What changes in the hall."""
    draw = seeing.draw(g.db, draw_id, g.actor)
    answer = make_response(render_template("evaluation/hall_live.html", **told(draw)))
    answer.set_etag(hashlib.sha256(answer.get_data()).hexdigest()[:32])
    answer.headers["Cache-Control"] = "no-store"
    return answer.make_conditional(request)


@pages.get("/draws/<int:draw_id>/contribution")
@allow(Role.PROCURING_ENTITY, Role.SUPERVISOR)
def contribution(draw_id: int):
    """Seal 32 bytes of chance on one's own device."""
    draw = contributed(draw_id)
    label = experts.label_for(draw, g.actor)
    seq = experts.seq_of(draw, label or "") if draw.opening.params else 0
    return render_template(
        "evaluation/contribution.html", draw=draw, session=draw.session, label=label, seq=seq,
        name=story.LABEL_NAMES[label or ""], is_open=draw.notice is not None and draw.pool is None,
    )  # fmt: skip


@pages.post("/draws/<int:draw_id>/contribution")
@allow(Role.PROCURING_ENTITY, Role.SUPERVISOR)
def contribute(draw_id: int):
    draw = contributed(draw_id)
    experts.contribute(g.db, draw, forms.read(BoxForm, request.form).box.strip(), by=g.actor)
    return redirect(url_for(".contribution", draw_id=draw.id), code=303)


@pages.get("/draws/<int:draw_id>/bundle.json")
@allow(*FOLLOWERS)
def draw_bundle(draw_id: int):
    """Everything to repeat the draw, once the session has finished."""
    return bundle_of(draw_id)


def contributed(draw_id: int) -> ExpertDraw:
    """A draw to which the visitor may contribute."""
    draw = seeing.draw(g.db, draw_id, g.actor)
    if experts.label_for(draw, g.actor) is None:
        raise NotFound(what=ExpertDraw.called)
    return draw


def told(draw: ExpertDraw) -> dict:
    """What the hall shows now."""
    fixed = canonical.decode(draw.pool.encode()) if draw.pool else None
    return {
        "draw": draw, "session": draw.session, "steps": steps(draw), "State": State,
        "pc": pool.commitment(fixed).hex() if fixed else None, "root": fixed["root"] if fixed else None,
        "notice": canonical.decode(draw.notice.encode()) if draw.notice else None,
        "label": experts.label_for(draw, g.actor), "contributed": draw.contributions,
        "contributors": {label: _(story.LABEL_NAMES[label]) for label in experts.CONTRIBUTORS},
        "is_over": draw.seed is not None or draw.session.state is State.ABORTED,
        "has_bundle": draw.bundle is not None and seeing.shows_result(draw.session),
    }  # fmt: skip


def steps(draw: ExpertDraw) -> list[dict]:
    """The way of a draw, and how far it has come."""
    stopped = draw.session.state is State.ABORTED and draw.seed is None
    joined = sum(seat.pk is not None for seat in draw.opening.seats)
    released = sum(seat.key is not None for seat in draw.opening.seats)
    sealed = _("、").join(_(story.LABEL_NAMES[label]) for label in sorted(draw.contributions))
    way = [
        (draw.notice is not None, _("持有人加入，公告锁定规则"), None, _(
            "%(n)s 名密钥持有人中已有 %(joined)s 名加入。", n=len(draw.opening.seats), joined=joined
        )),
        (draw.pool is not None, _("各方密封随机数"), None, _("已密封：%(names)s。", names=sealed) if sealed else ""),
        (draw.pool is not None, _("截止，核对回避，锁定名单"), draw.opening.deadline if draw.pool else None, _(
            "应回避的专家按规则剔除；名单承诺值公布后，任何人不能再增减。"
        )),
        (draw.seed is not None, _("密钥持有人释放密钥"), None, _(
            "%(n)s 名持有人中已有 %(released)s 名释放，需要 %(m)s 名。",
            n=len(draw.opening.seats), released=released, m=draw.opening.m,
        )),
        (draw.seed is not None, _("算出顺序，通知专家"), None, _(
            "专家姓名在评标结果公布前保密，其后任何人都能重新算一遍。"
        )),
    ]  # fmt: skip
    lines, current = [], True
    for done, title, at, note in way:
        state = "done" if done else ("stop" if stopped else "now") if current else "next"
        current = current and done
        lines.append({"title": title, "state": state, "note": note, "at": at})
    return lines
