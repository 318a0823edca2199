"""A supervisor finds, watches, replays and checks; what lies outside his region is not there."""

import hashlib
import json

from ca.ecdsa import Key
from evaluation import evidence, sessions
from evaluation.evidence import Chain, Kind
from evaluation.models import State
from evaluation.recordings import zero_ms
from storage import journal
from tests.evaluation.views.conftest import who

TRACK = "member-1.camera"
HEAD, BODY = b"head of the track", b"four seconds of it"


def recorded(store, session, key=None) -> list[bytes]:
    """What the recorder lays into the store while the session runs."""
    chain, lines = Chain(session.recording, key or Key.make()), []
    lines.append(chain.add(Kind.OPENED, at=0, zero=zero_ms(session), participants=["member-1"]))
    for kind, file, body, facts in (
        (Kind.INIT, "init-1.mp4", HEAD, {"codecs": "avc3.42c01f"}),
        (Kind.SEGMENT, "000001.m4s", BODY, {"seq": 1, "t0": 0, "duration": 4000}),
    ):
        name, digest = f"{TRACK}/{file}", hashlib.sha256(body).hexdigest()
        store.put(f"recordings/{session.recording}/{name}", body)
        lines.append(chain.add(kind, track=TRACK, name=name, bytes=len(body), sha256=digest, **facts))
    lines.append(chain.add(Kind.EVENT, at=4000, what="scores.handed_in", facts={"seat": "member-1"}))
    piece = b"".join(line + b"\n" for line in lines)
    store.put(f"recordings/{session.recording}/chain/000000-000003.jsonl", piece)
    return [*lines, chain.close(9000)]


def archived(store, session, lines) -> None:
    """What the recorder lays down at the end."""
    base = f"recordings/{session.recording}"
    store.put(f"{base}/chain/000004-000004.jsonl", lines[-1] + b"\n")
    store.put(f"{base}/{TRACK}/index.m3u8", b"#EXTM3U\n#EXT-X-ENDLIST\n")
    store.put(f"{base}/manifest.json", json.dumps(evidence.manifest(session.recording, lines)).encode())


def test_watching_a_session_live_and_after(doors, store, elsewhere):
    room, page, call = doors.room, doors.page, doors.call
    session = room.running()
    lines = recorded(store, session)
    name, watcher = room.tender.name, room.supervisor
    names = {seat.expert.person.name for seat in session.members}
    path, files = f"/supervision/recordings/{session.id}", f"/supervision/recordings/{session.id}/files"

    tree = page("/supervision/", watcher, status=200)
    assert name in tree
    assert "正在评标：1 场" in tree
    assert name in page("/supervision/?by=kind", watcher, status=200)
    wall = page("/supervision/wall", watcher, status=200)
    assert f'data-playlist="{files}/{TRACK}/index.m3u8"' in wall
    assert "1 号评委" in page("/supervision/wall/live", watcher, status=200)
    assert "evaluation:wall" in page(path, watcher, status=200)
    playlist = page(f"{files}/{TRACK}/index.m3u8", watcher, status=200)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in playlist
    assert "000001.m4s" in playlist
    assert page(f"{files}/member-9.camera/index.m3u8", watcher, status=404)
    for outsider in (elsewhere, room.centre):
        assert page(path, outsider, status=404)
        assert page(f"{files}/{TRACK}/000001.m4s", outsider, status=404)
    assert page(path, who(session.members[0]), status=403)
    assert name not in page("/supervision/", elsewhere, status=200)

    sessions.abort(room.db, session, reason="演练", by=room.centre)
    assert "正在归档" in page(path, watcher, status=200)
    archived(store, session, lines)
    replay = page(path, watcher, status=200)
    assert f'data-manifest="{files}/manifest.json"' in replay
    assert f'data-files="{files}/"' in replay
    assert not [one for one in names if one in tree + wall + replay]
    assert "ENDLIST" in page(f"{files}/{TRACK}/index.m3u8", room.centre, status=200)
    assert json.loads(page(f"{files}/manifest.json", watcher, status=200))["session"] == session.recording
    told = call("GET", f"/supervision/recordings/{session.id}/{TRACK}/000001.m4s", watcher, status=200)
    assert told.data == BODY


def test_a_part_of_a_segment_is_enough(doors, store, elsewhere):
    room = doors.room
    session = room.running()
    recorded(store, session)
    doors.page("/supervision/", room.supervisor)
    path = f"/supervision/recordings/{session.id}/files/{TRACK}/000001.m4s"

    part = doors.client.get(path, headers={"Range": "bytes=5-11"})
    far = doors.client.get(path, headers={"Range": "bytes=900-"})

    assert (part.status_code, part.data, part.headers["Content-Range"]) == (206, b"seconds", "bytes 5-11/18")
    assert far.status_code == 416
    for wrong in ("..%2f..%2fkeys", "%2e%2e/x", "nothing.m4s", ".hidden"):
        assert doors.client.get(f"/supervision/recordings/{session.id}/files/{wrong}").status_code == 404

    found = doors.call("GET", "/supervision/recordings?q=" + room.tender.name[:4], room.supervisor, status=200)
    assert [one["tracks"] for one in found["recordings"]] == [[TRACK]]
    region = room.tender.region_id
    ask = "/supervision/recordings"
    assert doors.call("GET", f"{ask}?region={region}", room.supervisor)["recordings"]
    assert doors.call("GET", f"{ask}?q=没有这样的名字", room.supervisor)["recordings"] == []
    assert doors.call("GET", f"{ask}?until=2020-01-01", room.supervisor)["recordings"] == []
    assert doors.call("GET", ask, elsewhere)["recordings"] == []
    assert doors.call("GET", ask, room.centre)["recordings"] == [], "the centre watches nothing while it runs"
    assert room.tender.name in doors.page("/supervision/recordings?since=2020-01-01T00:00", room.supervisor, status=200)
    assert "没有找到录音录像" in doors.page("/supervision/recordings?q=xyz", room.supervisor, status=200)


def test_a_file_and_its_chain(doors, elsewhere):
    room, page, call = doors.room, doors.page, doors.call
    session = room.handed_in()
    assert session.state is State.RUNNING
    path = f"/supervision/files/session/{session.id}"

    shown = page(path, room.supervisor, status=200)
    assert "提交评分" in shown
    assert "5 号评委" in shown
    assert "核对日志链" in shown
    assert "条条相扣" in page(path + "?check=1", room.supervisor, status=200)
    told = call("GET", path, room.supervisor, status=200)
    assert (told["whole"], told["entries"]) == (True, len(told["lines"]))
    assert told["head"] == journal.entries(room.db, session.file)[-1].hash
    assert page(f"/supervision/files/tender/{room.tender.id}?check=1", room.supervisor, status=200)
    for wrong in (f"tender/{room.tender.id}", f"session/{session.id}"):
        assert page("/supervision/files/" + wrong, elsewhere, status=404)
    assert page("/supervision/files/nothing/1", room.supervisor, status=404)
    assert page(path, room.centre, status=403)
    kinds = {one["kind"] for one in call("GET", "/supervision/projects", room.supervisor, status=200)["projects"]}
    assert kinds == {"tender", "session"}

    monkey = journal.entries(room.db, session.file)[3]
    monkey.facts = monkey.facts | {"seat": "member-9"}
    with room.db.no_autoflush:
        assert not journal.check(journal.entries(room.db, session.file)).ok
    room.db.expire(monkey)
