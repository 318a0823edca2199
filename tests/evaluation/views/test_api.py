"""A whole evaluation by programs, and what each of them may not see."""

import json

from ca.rights import Role
from evaluation import experts, recordings
from evaluation.methods import recompute
from evaluation.models import ExpertDraw, State
from storage import journal
from storage.db import find
from tests.evaluation.views.conftest import who


def test_a_whole_evaluation(doors, actor):
    room, call = doors.room, doors.call
    centre, entity, supervisor = room.centre, room.entity, room.supervisor
    session, draw = plan(doors)
    path = f"/evaluation/sessions/{session['id']}"
    contribute(doors, draw, actor)
    row = doors.drawn(find(room.db, ExpertDraw, draw["id"]))
    told = call("GET", path, centre, status=200)
    assert (told["state"], len(told["seats"]), {seat["name"] for seat in told["seats"]}) == ("seated", 5, {None})
    assert call("GET", path, entity, status=200)["seats"] is None
    assert call("GET", f"/evaluation/draws/{draw['id']}/bundle", supervisor, status=404)["code"] == "not_found"
    gather(doors, path, row)
    evaluate(doors, path, row)
    sign(doors, path, row)
    bundle = call("GET", f"/evaluation/draws/{draw['id']}/bundle", supervisor, status=200)
    assert bundle["seed"] == call("GET", f"/evaluation/draws/{draw['id']}", entity)["seed"]
    assert journal.is_whole(room.db, f"session/{session['id']}").ok


def plan(doors):
    room, call = doors.room, doors.call
    person = room.stage.person("新专家", Role.EXPERT)
    body = {"login": person.login, "kind": "economic", "specialities": ["道路"]}
    made = call("POST", "/evaluation/experts", room.centre, body, 201)
    assert (made["kind"], made["specialities"]) == ("economic", ["道路"])
    clerk = room.stage.person("职员")
    no = call("POST", "/evaluation/experts", room.centre, {"person_id": clerk.id}, 422)
    assert no["code"] == "not_an_expert"
    near = {"credit_code": room.bids[0].bidder.credit_code, "reason": "近三年任职"}
    call("POST", f"/evaluation/experts/{made['id']}/interests", room.centre, near, 201)
    assert len(call("GET", "/evaluation/experts", room.centre)["experts"]) == 8

    wish = {"tender_id": room.tender.id, "places": 5, "planned_at": doors.in_seconds(60), "main_venue": "第一评标室"}
    assert call("POST", "/evaluation/sessions", room.centre, wish | {"places": 4}, 422)["code"] == "wrong_number"
    session = call("POST", "/evaluation/sessions", room.centre, wish, 201)
    draw = call(
        "POST", f"/evaluation/sessions/{session['id']}/draw", room.centre,
        {"specialities": ["道路"], "closes_at": doors.in_seconds(60)}, 201,
    )  # fmt: skip
    assert (draw["params"], draw["contributed"]) == (None, [])
    return session, draw


def contribute(doors, draw, actor):
    room = doors.room
    doors.join(find(room.db, ExpertDraw, draw["id"]))
    told = doors.call("GET", f"/evaluation/draws/{draw['id']}", room.entity, status=200)
    assert (told["label"], told["contributed"]) == (experts.ENTITY, [experts.PLATFORM])
    assert told["notice"]["signers"]["platform"] == room.stage.key.public.hex()
    other = actor(Role.PROCURING_ENTITY)
    assert doors.call("GET", f"/evaluation/draws/{draw['id']}", other, status=404)["code"] == "not_found"
    bad = doors.call("POST", f"/evaluation/draws/{draw['id']}/contributions", room.entity, {"box": "zz"}, 422)
    assert bad["code"] == "bad_box"
    doors.contribute(draw["id"], room.entity)
    doors.contribute(draw["id"], room.entity)
    assert doors.contribute(draw["id"], room.supervisor)["contributed"] == sorted(experts.CONTRIBUTORS)


def gather(doors, path, session):
    room, call = doors.room, doors.call
    first, *others = session.members
    outsider = room.expert().person.actor
    assert call("GET", path, outsider, status=404) == call("GET", "/evaluation/sessions/999999", outsider, status=404)
    assert call("POST", path + "/accept", outsider, {"venue": "别处"}, 404)["code"] == "not_found"
    assert call("GET", "/evaluation/sessions", outsider)["sessions"] == []

    call("POST", path + "/decline", who(others[-1]), {"reason": "出差"}, 200)
    assert call("GET", path, who(others[-1]), status=404)
    experts.fill(room.db, session)
    call("POST", path + "/accept", who(first), {"venue": "第二评标室"}, 200)
    assert call("POST", path + "/check-in", who(first), {"undertakes": False}, 422)["code"] == "undertaking_missing"
    assert call("GET", path + "/bids", who(first), status=409)["code"] == "not_checked_in"
    for seat in session.members:
        told = call("POST", path + "/check-in", who(seat), {"undertakes": True}, 200)
    assert all(seat["name"] for seat in told["seats"])
    assert call("GET", path + "/ticket", who(first), status=404)["code"] == "no_recording"
    for seat in session.members[:3]:
        told = call("POST", path + "/leader", who(seat), {"number": 1}, 200)
    assert told["leader"] == 1
    call("POST", path + "/open", who(session.members[1]), status=403)
    assert call("POST", path + "/open", who(first), status=200)["state"] == "running"
    assert call("POST", path + "/pause", room.centre, {"reason": "午休"}, 200)["state"] == "paused"
    assert call("POST", path + "/resume", who(first), status=200)["state"] == "running"


def evaluate(doors, path, session):
    room, call = doors.room, doors.call
    leader, second = session.leader, session.members[1]
    told = call("GET", path + "/bids", who(leader), status=200)
    ids = [bid["id"] for bid in told["bids"]]
    assert sorted(bid["price"] for bid in told["bids"]) == ["790000.00", "800000.00", "810000.00"]
    names = [document["name"] for document in told["bids"][0]["documents"]]
    read = call("GET", f"{path}/bids/{ids[0]}/documents/{names.index('技术标.pdf')}", who(leader), status=200)
    assert read.data == b"%PDF-1.7 technical"
    assert call("GET", f"{path}/bids/{ids[0]}/documents/9", who(leader), status=404)["code"] == "no_such_paper"
    assert journal.entries(room.db, session.file)[-1].act == "document.opened"

    bid = f"{path}/bids/{ids[0]}"
    assert call("POST", bid + "/review", who(leader), {"passes": False}, 422)["code"] == "reason_missing"
    assert call("POST", bid + "/scores", who(leader), {"values": {"plan": "51"}}, 422)["code"] == "out_of_range"
    for place, seat in enumerate(session.members):
        for number, one in enumerate(ids):
            call("POST", f"{path}/bids/{one}/review", who(seat), {"passes": True}, 200)
            values = {"plan": str(40 - number), "record": "15"}
            sheet = call("POST", f"{path}/bids/{one}/scores", who(seat), {"values": values}, 200)
        assert (sheet["unfinished"], sheet["all"]) == (0, None)
        call("POST", path + "/hand-in", who(seat), status=200)
        sees = call("GET", path + "/scores", who(leader), status=200)["all"]
        assert (sees is None) is (place < 4), "nobody sees another's scores before all have handed in"
    assert sees[ids[0]]["member-2"] == {"plan": "40", "record": "15"}

    wish = {"bid_id": ids[0], "criterion": "plan", "to": "38.5", "ground": "abnormal", "reason": "畸高"}
    change = call("POST", path + "/changes", who(second), wish, 201)
    assert call("POST", path + "/report", who(leader), status=409)["code"] == "changes_waiting"
    decision = f"{path}/changes/{change['id']}/decision"
    assert call("POST", decision, who(second), {"consent": True}, 409)["code"] == "not_for_oneself"
    assert call("POST", decision, who(leader), {"consent": True}, 200)["state"] == "approved"
    (line,) = call("GET", path + "/changes", room.supervisor, status=200)["changes"]
    assert (line["member"], line["was"], line["to"], line["decided_by"]) == (second.number, "40", "38.5", 1)


def sign(doors, path, session):
    room, call = doors.room, doors.call
    assert call("GET", path + "/report", who(session.leader), status=409)["code"] == "no_report"
    call("POST", path + "/report", who(session.members[1]), status=403)
    made = call("POST", path + "/report", who(session.leader), status=201)
    assert recompute(made["sheet"]) == made["result"]
    assert call("GET", path + "/report", room.entity, status=409)["code"] == "no_report"
    for seat in session.members:
        told = call("POST", path + "/report/signature", who(seat), {}, 200)
    assert told["state"] == "finished"
    report = call("GET", path + "/report", room.entity, status=200)
    assert len(report["signatures"]) == 5
    assert session.state is State.FINISHED
    names = {seat.expert.person.name + seat.expert.person.login for seat in session.members}
    assert not any(name in json.dumps(report, ensure_ascii=False) for name in names)


def test_tickets_are_for_members_and_supervisors(doors, app):
    room, call = doors.room, doors.call
    session = room.running()
    path = f"/evaluation/sessions/{session.id}/ticket"
    tokens = app.extensions["house"].tokens

    member = call("GET", path, who(session.members[2]), status=200)
    watcher = call("GET", path, room.supervisor, status=200)

    claims = tokens.read(member["token"], "room")
    assert (claims["sub"], claims["publish"], claims["session"]) == ("member-3", True, session.recording)
    claims = tokens.read(watcher["token"], "room")
    assert (claims["publish"], claims["sub"]) == (False, f"supervisor-{room.supervisor.person_id}")
    assert member["recorder"].startswith("http://127.0.0.1:")
    assert call("GET", path, room.expert().person.actor, status=404)
    assert recordings.may_watch(session, room.supervisor)
