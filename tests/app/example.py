"""kit.html, the page that shows every macro, in a small application of its own; its facts are made up."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask, Response, g, jsonify, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext
from markupsafe import Markup

from app import languages, pages
from ca.rights import Actor, Role
from storage import clock
from storage.values import Money

APP = Path(pages.__file__).parent

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


class State(StrEnum):
    REGISTRATION = "registration"


class Shown:
    """A thing with a state, as a row would be."""

    STATE_NAMES: ClassVar[dict[State, str]] = {State.REGISTRATION: "报名中"}
    state = State.REGISTRATION


def _badge(words: str, tone: str) -> Markup:
    return Markup('<span class="state state-{}">{}</span>').format(tone, words)


def facts(now: datetime = NOON) -> dict[str, Any]:
    """What kit.html shows, in the language of the request."""
    hour, soon = timedelta(hours=1), now + timedelta(days=2, hours=3, minutes=14)
    head = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    given = [
        (_("清源工程咨询有限公司"), 9_680_000, 20, _badge(_("已中选"), "good")),
        (_("恒正审图有限公司"), 10_120_050, 9, _badge(_("未中选"), "quiet")),
        (_("东篱规划设计院"), 880_000, 2, _badge(_("未中选"), "quiet")),
    ]
    quotes = [
        [who, pages.yuan(Money(fen)), pages.moment(now - hours * hour), state] for who, fen, hours, state in given
    ]
    story = [
        {"at": now - 50 * hour, "title": _("发布采购公告"), "who": _("王敏"), "role": _("项目业主"), "hash": head},
        {"at": now - 49 * hour, "title": _("公布名单根"), "who": _("系统"),
         "note": _("名单已锁定，任何人不能再增减。"), "hash": head[::-1]},
        {"at": now - hour, "title": _("报名"), "state": "now"},
        {"at": soon, "title": _("当众摇号"), "state": "next"},
        {"at": None, "title": _("签订合同"), "state": "next"},
    ]  # fmt: skip
    hall = [
        {"title": _("锁定名单"), "state": "done", "at": now - hour, "note": _("7 家机构，只显示编号。")},
        {"title": _("收齐各方承诺值"), "state": "done", "at": now - hour / 2},
        {"title": _("密钥持有人公开"), "state": "now", "note": _("已公开 2 份，共 3 份。")},
        {"title": _("计算顺序"), "state": "next"},
        {"title": _("公布机构名称"), "state": "next"},
    ]
    waiting = [
        {"title": _("确认中选结果"), "href": "/", "act": _("去确认"), "deadline": now + 5 * hour,
         "note": _("东城片区排水管网施工图审查"), "state": _badge(_("待确认"), "wait")},
        {"title": _("签订合同"), "href": "/", "act": _("去签订"), "deadline": soon, "note": _("西城区档案数字化服务")},
    ]  # fmt: skip
    coming = [{"title": _("城北小学造价咨询：当众摇号"), "href": "/", "at": soon}]
    changed = [
        {"title": _("第 9 号项目收到星级评价"), "href": "/", "at": now - hour, "note": _("五星")},
        {"title": _("第 7 号项目合同已由双方签订"), "href": "/", "at": now - 30 * hour},
    ]
    works = {"title": _("排水管网施工图审查"), "href": "/", "note": _badge(_("报名中"), "open")}
    nodes = [
        {"title": _("市本级"), "open": True, "children": [
            {"title": _("东城区"), "children": [works]},
            {"title": _("城北小学造价咨询"), "href": "/"},
        ]},
        {"title": _("青山县"), "children": [{"title": _("档案数字化服务"), "href": "/"}]},
    ]  # fmt: skip
    return {
        "thing": Shown(), "soon": soon, "price": Money(1_001_005), "quotes": quotes, "story": story, "hall": hall,
        "waiting": waiting, "coming": coming, "changed": changed, "nodes": nodes,
    }  # fmt: skip


class Wrong:
    """A refusal as the frame gives it to a page."""

    code = "not_filled_in"
    sentence = lazy_gettext("有 4 处需要改正。")

    @property
    def errors(self) -> dict[str, str]:
        return {"name": "请填写这一项。", "amount": "“12,3,4元”不是金额。请写成 1234.56 的样子，最多两位小数。",
                "way": "请从列出的选项中选择。", "closes_at": "结束时间必须晚于开始时间。请改正时间。"}  # fmt: skip


def application(at: datetime | None = None) -> Flask:
    """Flask with the kit, the languages and the strict policy; `/` shows the kit, `/wrong` after a refusal."""
    app = Flask("example", template_folder=str(APP / "templates"), static_folder=str(APP / "static"))
    told = at or clock.now()
    app.config.update(SECRET_KEY="for this page only", TESTING=True)
    languages.install(app)
    pages.install(app)

    @app.before_request
    def enter() -> None:
        g.actor = Actor(person_id=1, name=_("王敏"), roles=frozenset({Role.PROJECT_OWNER}))
        g.refusal = g.given = None

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response

    @app.get("/", endpoint="portal.home")
    def home() -> str:
        return render_template("kit.html", **facts(told))

    @app.route("/wrong", methods=["GET", "POST"])
    def wrong() -> str:
        g.refusal, g.given = Wrong(), request.form or {"name": "", "amount": "12,3,4元", "days": "30"}
        return render_template("kit.html", **facts(told))

    @app.get("/time", endpoint="portal.time")
    def time() -> Response:
        return jsonify(now=clock.now().isoformat())

    @app.post("/large", endpoint="portal.large")
    def large() -> Response:
        return Response(status=204)

    @app.get("/live")
    def live() -> str:
        return render_template("kit_live.html", **facts(told))

    return app
