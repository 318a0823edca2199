"""Doors of supervision: the tree, a file's story, the live wall, the search of recordings and the replay."""

import json
from typing import Any

from apiflask import APIBlueprint
from flask import Blueprint, Response, g, make_response, render_template, request
from flask_babel import gettext as _
from pydantic import BaseModel, Field

from app.supervision import looking, recorded
from ca.parties import Region
from ca.rights import Role, allow
from evaluation import recordings
from evaluation.models import RECORDED, Session
from evaluation.recordings import ENDED, Search
from evaluation.views import story
from storage import forms, journal
from storage.forms import When

pages = Blueprint("supervision", __name__, url_prefix="/supervision", template_folder="templates")
api = APIBlueprint("supervision_api", __name__, url_prefix="/api/supervision", tag="监督 supervision")

WATCHERS = (Role.SUPERVISOR, Role.CENTRE_STAFF)
TILES = 16


class RecordingQuery(BaseModel):
    q: str = Field("", max_length=120)
    region: int | None = None
    since: When | None = None
    until: When | None = None

    def search(self) -> Search:
        """As the act takes it."""
        return Search(self.q.strip(), self.region, self.since, self.until)


class TreeOut(BaseModel):
    projects: list[dict[str, Any]]


class FileOut(BaseModel):
    file: str
    whole: bool
    entries: int
    head: str
    first_bad: int | None
    lines: list[dict[str, Any]]


class RecordingList(BaseModel):
    recordings: list[dict[str, Any]]


# --- the tree ---------------------------------------------------------------------------------------------


@pages.get("/")
@allow(Role.SUPERVISOR)
def index():
    """Everything in the supervisor's region, as a tree by region or by kind."""
    by = "kind" if request.args.get("by") == "kind" else "region"
    things = {kind: looking.all_of(g.db, kind, g.actor) for kind in looking.KINDS}
    return render_template(
        "supervision/index.html", nodes=_by_kind(things) if by == "kind" else _by_region(things), by=by,
        running=[session for session in things["session"] if session.state in RECORDED],
    )  # fmt: skip


@pages.get("/files/<kind>/<int:id_>")
@allow(Role.SUPERVISOR)
def file(kind: str, id_: int):
    """The story of one project from the journal, and whether its chain is whole."""
    thing = looking.one_of(g.db, kind, id_, g.actor)
    known = looking.KINDS[kind]
    whole = journal.is_whole(g.db, thing.file) if "check" in request.args else None
    return render_template(
        "supervision/file.html", thing=thing, kind=known, kind_name=kind, entries=looking.lines(g.db, kind, thing),
        whole=whole, values={known.argument: thing.id},
    )  # fmt: skip


def _by_region(things: dict[str, list[Any]]) -> list[dict[str, Any]]:
    groups: dict[int, list[dict[str, Any]]] = {}
    names: dict[int, str] = {}
    for kind, found in things.items():
        for thing in found:
            key = thing.region_id or 0
            names[key] = thing.region.name if thing.region else _("未分地区")
            groups.setdefault(key, []).append(_node(kind, thing))
    return [{"title": names[key], "children": groups[key], "open": True} for key in sorted(groups)]


def _by_kind(things: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [
        {"title": _(looking.KINDS[kind].name), "children": [_node(kind, thing) for thing in found], "open": True}
        for kind, found in things.items() if found
    ]  # fmt: skip


def _node(kind: str, thing: Any) -> dict[str, Any]:
    known = looking.KINDS[kind]
    return {"kind": kind, "thing": thing, "title": f"{known.called(thing)} · {known.number(thing)}", "name": known.name}


# --- live -------------------------------------------------------------------------------------------------


@pages.get("/wall")
@allow(Role.SUPERVISOR)
def wall():
    """Every picture of every running session in the region, sixteen at a time."""
    return render_template("supervision/wall.html", **_tiles())


@pages.get("/wall/live")
@allow(Role.SUPERVISOR)
def wall_live():
    """The tiles, as of now."""
    answer = make_response(render_template("supervision/wall_live.html", **_tiles()))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _tiles(only: Session | None = None) -> dict[str, Any]:
    sessions = [only] if only else looking.all_of(g.db, "session", g.actor)
    found = []
    for session in sessions:
        if session.state in RECORDED and session.zero_at is not None:
            items = recorded.chains().items(g.objects, session)
            found += [{"session": session, "track": track} | _named(track) for track in recordings.tracks(items)]
    page = max(1, request.args.get("page", 1, type=int))
    shown = found[(page - 1) * TILES : page * TILES]
    return {"tiles": shown, "count": len(found), "page": page, "pages": max(1, -(-len(found) // TILES))}


def _named(track: str) -> dict[str, str]:
    member, _dot, source = track.partition(".")
    return {"member": story.member(member), "source": _("屏幕") if source == "screen" else ""}


# --- recordings -------------------------------------------------------------------------------------------


@pages.get("/recordings")
@allow(*WATCHERS)
def search():
    """Find a recording by name, time or region."""
    wish = forms.read(RecordingQuery, request.args)
    return render_template(
        "supervision/recordings.html", wish=wish, found=_found(wish), regions=looking.regions(g.db, g.actor),
        ENDED=ENDED,
    )  # fmt: skip


@pages.get("/recordings/<int:session_id>")
@allow(*WATCHERS)
def replay(session_id: int):
    """Live while the session runs; afterwards the replay, proved on the viewer's own device."""
    session = recorded.watched(session_id)
    archived = session.state in ENDED and recordings.is_archived(g.objects, session)
    whole = journal.is_whole(g.db, session.file)
    return render_template(
        "supervision/replay.html", session=session, archived=archived, is_live=session.state in RECORDED,
        whole=whole, key=g.platform_key.public.hex(), names=_json(_members(session)), kinds=_json(_kinds()),
        words=_json(_words()), **(_tiles(session) if not archived else {}),
    )  # fmt: skip


@pages.get("/recordings/<int:session_id>/live")
@allow(*WATCHERS)
def replay_live(session_id: int):
    """The pictures of one running session, as of now."""
    answer = make_response(render_template("supervision/wall_live.html", **_tiles(recorded.watched(session_id))))
    answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.get("/recordings/<int:session_id>/files/<path:name>")
@allow(*WATCHERS)
def recording_file(session_id: int, name: str) -> Response:
    """One file of a recording, for the page's player."""
    return recorded.answer(recorded.watched(session_id), name)


def _found(wish: RecordingQuery) -> list[Session]:
    return [one for one in recordings.search(g.db, wish.search()) if recordings.may_watch(one, g.actor)]


def _members(session: Session) -> dict[str, str]:
    return {seat.name: story.member(seat.name) for seat in session.seats}


def _kinds() -> dict[str, str]:
    return {act.replace("evaluation_session.", "session."): _(title) for act, title in story.TITLES.items()}


def _json(told: dict[str, str]) -> str:
    return json.dumps(told, ensure_ascii=False)


def _words() -> dict[str, str]:
    """What the player says, in the page's language."""
    return {
        "play": _("播放"), "pause": _("暂停播放"), "speed": _("速度"), "position": _("播放位置"), "search": _("查找事件"),
        "events": _("事件"), "link": _("复制此刻的链接"), "copied": _("已复制"), "absent": _("不在场"),
        "bad": _("此段未通过核对"), "alone": _("只听此人"), "all": _("听全部"), "screen": _("屏幕"),
        "proof": _("证据核对"), "failed": _("录像无法打开"), "checking": _("正在核对证据链…"),
        "whole": _("证据链完整：{items} 项，签名有效"), "broken": _("第 {n} 项（{what}）未通过核对：{fault}"),
        "checked": _("已在本机核对 {checked} / {segments} 段"), "waiting": _("正在读取…"),
        "gap": _("录制中断 {seconds} 秒"), "layout": _("版式"), "everything": _("核对全部"),
        "altered": _("内容被改动"), "missing": _("缺失"), "out_of_order": _("顺序错误"), "forged": _("签名无效"),
        "cut": _("结尾被截断"), "malformed": _("格式错误"), "none": _("没有事件"),
    }  # fmt: skip


# --- calls for programs -----------------------------------------------------------------------------------


@api.get("/projects")
@allow(Role.SUPERVISOR)
@api.output(TreeOut)
def projects():
    """Everything in the supervisor's region: projects of the supermarket, tenders and sessions."""
    return {"projects": [_plain(kind, one) for kind in looking.KINDS for one in looking.all_of(g.db, kind, g.actor)]}


def _plain(kind: str, thing: Any) -> dict[str, Any]:
    known, region = looking.KINDS[kind], thing.region
    return {
        "kind": kind, "id": thing.id, "name": known.called(thing), "number": known.number(thing),
        "state": thing.state.value, "state_name": thing.STATE_NAMES[thing.state],
        "region": region.name if region else None, "file": thing.file,
    }  # fmt: skip


@api.get("/files/<kind>/<int:id_>")
@allow(Role.SUPERVISOR)
@api.output(FileOut)
def show_file(kind: str, id_: int):
    """The story of one project from the journal, and whether its chain is whole."""
    thing = looking.one_of(g.db, kind, id_, g.actor)
    whole = journal.is_whole(g.db, thing.file)
    lines = [
        {"number": one.number, "at": one.at.isoformat(), "act": one.act, "note": one.note, "hash": one.hash}
        for one in looking.lines(g.db, kind, thing)
    ]
    return {
        "file": thing.file, "whole": whole.ok, "entries": whole.entries, "head": whole.head,
        "first_bad": whole.first_bad, "lines": lines,
    }  # fmt: skip


@api.get("/recordings")
@allow(*WATCHERS)
@api.input(RecordingQuery, location="query", arg_name="query")
@api.output(RecordingList)
def list_recordings(query: RecordingQuery):
    """Recordings by name or number of the tender, by region (with its counties) and by time."""
    return {"recordings": [_recording(one) for one in _found(query)]}


def _recording(one: Session) -> dict[str, Any]:
    region: Region | None = one.region
    return {
        "session": one.id, "name": one.tender.name, "number": one.tender.number, "state": one.state.value,
        "region": region.name if region else None, "zero_at": one.zero_at.isoformat() if one.zero_at else None,
        "finished_at": one.finished_at.isoformat() if one.finished_at else None, "recording": one.recording,
        "is_archived": one.state in ENDED and recordings.is_archived(g.objects, one),
        "tracks": recordings.tracks(recorded.chains().items(g.objects, one)),
    }  # fmt: skip


@api.get("/recordings/<int:session_id>/<path:name>")
@allow(*WATCHERS)
@api.doc(summary="One file of a recording: manifest.json, TRACK/index.m3u8, segments; ranges are honoured")
def file_of_recording(session_id: int, name: str) -> Response:
    """One file of a recording: manifest.json, TRACK/index.m3u8 (live while it runs), segments."""
    return recorded.answer(recorded.watched(session_id), name)
