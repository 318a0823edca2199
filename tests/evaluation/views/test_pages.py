"""The journey of a panel through its pages, and what the others see of it."""

import re

from ca.rights import Role
from evaluation import experts, scores
from evaluation.models import ExpertDraw, Session, State
from storage.db import find
from storage.values import check_character
from tests.evaluation.views.conftest import who


def id_in(location: str) -> int:
    return int(re.search(r"/(\d+)(?:[/#?]|$)", location).group(1))


def soon(doors, seconds=60) -> str:
    """A moment as a date-time field holds it, but with seconds and zone."""
    return doors.in_seconds(seconds)


def test_the_centre_plans_and_everybody_draws(doors, actor):
    room, page = doors.room, doors.page
    assert room.tender.name in page("/evaluation/", room.centre, status=200)
    assert "统一社会信用代码" in page("/evaluation/experts/new", room.centre, status=200)
    new = {"login": "nobody", "kind": "technical"}
    told = page("/evaluation/experts/new", room.centre, new, status=422)
    assert "没有登录名为“nobody”的账号" in told
    assert "no_such_account" in told
    person = room.stage.person("新来的专家", Role.EXPERT)
    new = {"login": person.login, "kind": "technical", "specialities": "道路、桥梁"}
    page("/evaluation/experts/new", room.centre, new, 303)
    assert "道路、桥梁" in page("/evaluation/experts", room.centre, status=200)
    expert = room.db.query(experts.Expert).filter_by(person_id=person.id).one()
    path, nobody = f"/evaluation/experts/{expert.id}/interests", {"credit_code": "91510000MB0000000X", "reason": "任职"}
    assert page(path, room.centre, nobody, 422)
    missing = {"credit_code": "91510000MC0000001" + check_character("91510000MC0000001"), "reason": "任职"}
    assert "no_such_organisation" in page(path, room.centre, missing, 422)
    page(path, room.centre, {"credit_code": room.bids[0].bidder.credit_code, "reason": "任职"}, 303)
    assert room.bids[0].bidder.name in page(path, room.centre, status=200)

    wish = {"tender": str(room.tender.id), "places": "6", "planned_at": soon(doors), "main_venue": "第一评标室"}
    refused = page("/evaluation/new", room.centre, wish, status=422)
    assert "单数" in refused
    assert "第一评标室" in refused
    session_id = id_in(page("/evaluation/new", room.centre, wish | {"places": "5"}, status=303))
    assert "申请抽取专家" in page(f"/evaluation/{session_id}", room.centre, status=200)
    draw = {"specialities": "道路", "closes_at": soon(doors)}
    draw_id = id_in(page(f"/evaluation/{session_id}/draw", room.centre, draw, status=303))
    row = find(room.db, ExpertDraw, draw_id)
    hall = f"/evaluation/draws/{draw_id}"
    doors.join(row)
    assert "提交密封随机数" in page(hall, room.entity, status=200)
    assert row.opening.params_hash in page(hall + "/live", room.supervisor, status=200)
    assert page(hall, actor(Role.PROCURING_ENTITY), status=404)
    assert "data-params" in page(hall + "/contribution", room.entity, status=200)
    assert page(hall + "/contribution", room.entity, {"box": "00"}, status=422)
    for side in (room.entity, room.supervisor):
        doors.contribute(draw_id, side)
    assert "已密封" in page(hall + "/contribution", room.supervisor, status=200)
    doors.drawn(find(room.db, ExpertDraw, draw_id))
    over = page(hall, room.entity, status=200)
    assert "抽取完成" in over
    assert page(hall + "/bundle.json", room.entity, status=404)
    names = {seat.expert.person.name for seat in find(room.db, Session, session_id).members}
    for side in (room.centre, room.entity, room.supervisor):
        shown = page(f"/evaluation/{session_id}", side, status=200)
        assert not [name for name in names if name in shown]
    assert "号评委" not in page(f"/evaluation/{session_id}", room.entity, status=200)


def test_a_member_goes_through_the_pages(doors):
    room, page = doors.room, doors.page
    session = room.seated()
    path = f"/evaluation/{session.id}"
    first, *others = session.members
    assert "确认参加" in page(path, who(first), status=200)
    page(path + "/answer", who(first), {"venue": "第二评标室"}, 303)
    assert "请先阅读并同意" in page(path + "/check-in", who(first), {}, 422)
    page(path + "/check-in", who(first), {"undertakes": "1"}, 303)
    assert "第二评标室" in page(path + "/now", who(others[0]), status=200)
    shown = page(path, who(first), status=200)
    assert first.expert.person.name in shown
    assert others[0].expert.person.name not in shown, "names are told among those who have checked in"
    page(path + "/declining", who(others[-1]), {"reason": "出差"}, 303)
    assert page(path, who(others[-1]), status=404)
    experts.fill(room.db, session)
    for seat in session.members[1:]:
        page(path + "/check-in", who(seat), {"undertakes": "1"}, 303)
    shown = page(path + "/leader", who(first), status=200)
    assert all(seat.expert.person.name in shown for seat in session.members)
    for seat in session.members[:3]:
        page(path + "/leader", who(seat), {"number": str(first.number)}, 303)
    assert page(path + "/room", who(first), status=303).endswith(path)
    assert "组长" in page(path + "/opening", who(session.members[1]), {}, 403)
    page(path + "/opening", who(first), {}, 303)

    inside = page(path + "/room", who(first), status=200)
    assert f'data-session="{session.recording}"' in inside
    assert 'data-me="member-1"' in inside
    assert page(path + "/room", room.expert().person.actor, status=404)
    assert "token" in page(path + "/ticket", who(first), status=200)
    page(path + "/pause", who(first), {"reason": "休息"}, 303)
    assert "会议暂停" in page(path + "/room/now", who(first), status=200)
    page(path + "/resumption", who(first), {}, 303)
    score(doors, path, session)
    change_and_sign(doors, path, session)


def score(doors, path, session):
    room, page = doors.room, doors.page
    first = session.members[0]
    bid = f"{path}/room/{room.bids[0].id}"
    refused = page(bid, who(first), {"passes": "0", "reason": ""}, 422)
    assert "请写明理由" in refused
    refused = page(bid, who(first), {"passes": "1", "score-plan": "50.5", "score-record": "15"}, 422)
    assert "0 到 50 之间" in refused
    assert 'value="50.5"' in refused
    page(bid, who(first), {"passes": "1", "reason": "", "score-plan": "", "score-record": "15"}, 303)
    before = len(scores.journal.entries(room.db, session.file))
    page(bid, who(first), {"passes": "1", "reason": "", "score-plan": "", "score-record": "15"}, 303)
    assert len(scores.journal.entries(room.db, session.file)) == before, "nothing new, nothing told"
    assert "还有" in page(path + "/handing-in", who(first), {}, 409)
    for seat in session.members:
        for number, each in enumerate(room.bids):
            form = {"passes": "1", "reason": "", "score-plan": str(40 - number), "score-record": "15"}
            page(f"{path}/room/{each.id}", who(seat), form, 303)
    for seat in session.members[:-1]:
        page(path + "/handing-in", who(seat), {}, 303)
        assert "全部评委的评分" not in page(path + "/room", who(seat), status=200)
    page(path + "/handing-in", who(session.members[-1]), {}, 303)
    assert "全部评委的评分" in page(path + "/room", who(first), status=200)


def change_and_sign(doors, path, session):
    room, page = doors.room, doors.page
    leader, second = session.leader, session.members[1]
    wish = {"score": f"{room.bids[0].id}:plan", "to": "38", "ground": "abnormal", "reason": ""}
    assert page(path + "/changes", who(second), wish, 422)
    page(path + "/changes", who(second), wish | {"reason": "畸高"}, 303)
    assert page(path + "/changes", who(second), wish | {"score": "x:plan", "reason": "畸高"}, 422), "no_such_criterion"
    change = scores.Change
    number = room.db.query(change).one().id
    assert f"/changes/{number}" in page(path + "/room/now", who(leader), status=200)
    assert page(f"{path}/changes/{number}", who(session.members[3]), status=200)
    assert page(f"{path}/changes/{number}", who(session.members[3]), {"consent": "1"}, 403)
    page(f"{path}/changes/{number}", who(leader), {"consent": "1"}, 303)
    assert page(path + "/compiling", who(second), {}, 403)
    page(path + "/compiling", who(leader), {}, 303)
    assert page(path + "/report", room.entity, status=404)
    for seat in session.members:
        assert "签署评标报告" in page(path + "/signature", who(seat), status=200)
        page(path + "/signature", who(seat), {"dissent": "价格过低" if seat is second else ""}, 303)
    assert session.state is State.FINISHED
    report = page(path + "/report", room.entity, status=200)
    assert "价格过低" in report
    assert "91.1" in report or "总分" in report
    assert '"sheet"' in page(path + "/report.json", room.supervisor, status=200)
    names = {seat.expert.person.login for seat in session.members}
    assert not any(name in report for name in names)
