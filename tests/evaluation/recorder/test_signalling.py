"""The doors: who is let in, what is refused and how, and that nothing thrown at them stops the room."""

import asyncio
import json
import random
import re
import socket

import aiohttp
import pytest
from aiortc import RTCPeerConnection

from evaluation.recorder import rtc, signalling
from tests.evaluation.recorder.conftest import APP, run

SDP = {"Content-Type": "application/sdp"}


async def ask(http, method, url, token="", body=None, **headers):
    head = headers | ({"Authorization": f"Bearer {token}"} if token else {})
    async with http.request(method, url, data=body, headers=head) as response:
        return response.status, dict(response.headers), await response.text()


async def offer(kinds=("audio", "video"), direction="sendonly") -> str:
    pc = RTCPeerConnection()
    for kind in kinds:
        pc.addTransceiver(kind, direction)
    await pc.setLocalDescription(await pc.createOffer())
    text = pc.localDescription.sdp
    await pc.close()
    return text


@pytest.mark.parametrize(("path", "token", "status", "code"), [
    ("/whip/7", "", 401, "not_admitted"),
    ("/whip/7", "nonsense", 401, "not_admitted"),
    ("/whip/7", "8/a/pw", 401, "not_admitted"),
    ("/whip/8", "8/a/pw", 409, "session_not_open"),
    ("/whip/7", "7/a/w", 403, "may_not_publish"),
    ("/whip/7?source=roof", "7/a/pw", 422, "unknown_source"),
    ("/whip/7", "7/../a/pw", 401, "not_admitted"),
    ("/whep/7/a", "7/b/p", 403, "may_not_watch"),
    ("/whep/7/a", "8/b/pw", 401, "not_admitted"),
    ("/sessions/7", "7/a/pw", 401, "unauthorized"),
    ("/sessions/7/events", "", 401, "unauthorized"),
    ("/nowhere", APP, 404, "not_found"),
])  # fmt: skip
def test_strangers_are_refused(room, path, token, status, code):
    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            return await ask(http, "POST", here.url + path, token, await offer(), **SDP)

    found, headers, text = run(play())

    assert (found, headers["Content-Type"]) == (status, "application/problem+json")
    assert f'"{code}"' in text


def test_a_browser_is_answered_as_rfc_9725_says(room):
    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            told = []
            asked = await offer()
            origin = {"Origin": "http://app.test"}
            told.append(await ask(http, "POST", f"{here.url}/whip/7", "7/a/pw", asked, **SDP, **origin))
            resource = here.url + told[0][1]["Location"]
            told.append(await ask(http, "PATCH", resource, "7/a/pw", "x"))
            told.append(await ask(http, "DELETE", resource, "7/b/pw"))
            told.append(await ask(http, "DELETE", resource, "7/a/pw"))
            told.append(await ask(http, "DELETE", resource, "7/a/pw"))
            told.append(await ask(http, "OPTIONS", f"{here.url}/whip/7", **origin))
            told.append(await ask(http, "OPTIONS", f"{here.url}/whip/7", Origin="http://evil.test"))
            return told

    created, patched, others, ended, again, options, evil = run(play())

    assert created[0] == 201
    assert created[1]["Content-Type"].startswith("application/sdp")
    assert created[2].startswith("v=0")
    assert "a=recvonly" in created[2]
    assert "H264" in created[2]
    assert "VP8" not in created[2]
    assert created[1]["Access-Control-Allow-Origin"] == "http://app.test"
    assert "Location" in created[1]["Access-Control-Expose-Headers"]
    assert [patched[0], others[0], ended[0], again[0]] == [501, 404, 200, 404]
    assert options[0] == 204
    assert options[1]["Access-Control-Allow-Headers"] == "Authorization, Content-Type"
    assert "Access-Control-Allow-Origin" not in evil[1]


GARBAGE = [
    b"", b"v=0", b"\xff\xfe\x00", b"v=0\r\n" * 5000, b"x" * 70_000, b"v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n",
    b"v=0\r\nm=audio\r\nm=video\r\n", b"v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n",
]  # fmt: skip


def test_garbage_is_refused_and_the_room_goes_on(room):
    chance = random.Random(7)

    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            person = here.participant("b")
            await person.publish()
            good = (await offer()).encode()
            bodies = list(GARBAGE)
            for _ in range(40):
                bad = bytearray(good)
                for _ in range(chance.randint(1, 60)):
                    bad[chance.randrange(len(bad))] = chance.randrange(256)
                bodies.append(bytes(bad[: chance.randint(10, len(bad))]))
            lines = good.decode().splitlines(keepends=True)
            for _ in range(20):
                bodies.append("".join(line for line in lines if chance.random() > 0.1).encode())
            statuses = [(await ask(http, "POST", f"{here.url}/whip/7", "7/a/pw", body, **SDP))[0] for body in bodies]
            wrong_type = await ask(http, "POST", f"{here.url}/whip/7", "7/a/pw", good, **{"Content-Type": "text/plain"})
            two = await ask(http, "POST", f"{here.url}/whip/7", "7/a/pw", await offer(("video", "video")), **SDP)
            before = here.session._stands["b.camera"].track._timeline
            await asyncio.sleep(1)
            files_before = here.session.standing()
            await person.leave()
            return statuses, wrong_type[0], two[0], files_before, before, await here.archived()

    statuses, wrong_type, two, standing, _, files = run(play(), 60)

    assert set(statuses) <= {201, 400, 413}
    assert statuses[: len(GARBAGE)] == [400, 400, 400, 400, 413, 400, 400, 400]
    assert (wrong_type, two) == (415, 400)
    assert {track["name"] for track in standing["tracks"] if track["live"]} >= {"b.camera"}
    assert "b.camera/000001.m4s" in files


@pytest.mark.parametrize("body", [
    "", "[]", "{}", '[{"at_ms": -1, "kind": "x", "facts": {}}]', '[{"at_ms": 1.5, "kind": "x", "facts": {}}]',
    '[{"at_ms": 1, "kind": "Some Thing", "facts": {}}]', '[{"at_ms": 1, "kind": "x", "facts": {"a": null}}]',
    '[{"at_ms": 1, "kind": "x"}]', '[{"at_ms": 1, "kind": "x", "facts": []}]', "[1]",
])  # fmt: skip
def test_events_that_have_no_canonical_form_are_refused(room, body):
    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            status, _, _ = await ask(http, "POST", f"{here.url}/sessions/7/events", APP, body)
            return status, here.session.chain.size

    status, size = run(play())

    assert status in ((201,) if body == "[]" else (400, 422))
    assert size == 1


def test_the_app_opens_tells_and_closes(room):
    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            url = f"{here.url}/sessions/9"
            told = [await ask(http, "POST", url, APP, '{"zero": 1795000000000, "participants": ["a"]}')]
            told.append(await ask(http, "POST", url, APP, '{"zero": 1795000000000, "participants": ["a"]}'))
            told.append(await ask(http, "POST", url + "/events", APP, '[{"at_ms": 5, "kind": "vote", "facts": {}}]'))
            told.append(await ask(http, "DELETE", url, APP))
            told.append(await ask(http, "DELETE", url, APP))
            told.append(await ask(http, "POST", url + "/events", APP, '[{"at_ms": 5, "kind": "vote", "facts": {}}]'))
            told.append(await ask(http, "POST", url + "/events", APP, '[{"at_ms": 6, "kind": "vote", "facts": {}}]'))
            told.append(await ask(http, "POST", f"{here.url}/whip/9", "9/a/pw", await offer(), **SDP))
            told.append(await ask(http, "GET", f"{here.url}/healthz"))
            told.append(await ask(http, "POST", f"{here.url}/sessions/..", APP, '{"zero": 1, "participants": []}'))
            told.append(await ask(http, "POST", f"{here.url}/sessions/x%2Fy", APP, '{"zero": 1, "participants": []}'))
            return told

    told = run(play())

    assert [status for status, _, _ in told[:8]] == [201, 200, 201, 200, 200, 201, 409, 409]
    assert '"alarm": false' in told[8][2]
    assert told[9][0] in (404, 405)
    assert told[10][0] == 422


def test_who_is_answered_and_does_not_come_leaves_nothing_behind(room, monkeypatch):
    monkeypatch.setattr(rtc, "COMING_S", 0.3)

    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            status, _, _ = await ask(http, "POST", f"{here.url}/whip/7", "7/a/pw", await offer(), **SDP)
            there = len(here.recorder.engine._peers)
            await asyncio.sleep(0.8)
            return status, there, len(here.recorder.engine._peers), here.session.standing()["tracks"][0]["live"]

    assert run(play()) == (201, 1, 0, False)


def test_no_address_of_an_offer_is_knocked_on(room):
    """A candidate is an address of the offerer's choosing: the recorder must not send there (H12)."""

    async def play():
        knocked = []

        class Door(asyncio.DatagramProtocol):
            def datagram_received(self, data, address):
                knocked.append(data)

        loop = asyncio.get_running_loop()
        door, _ = await loop.create_datagram_endpoint(Door, local_addr=("127.0.0.1", 0))
        port = door.get_extra_info("sockname")[1]
        candidate = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host"
        asked = (await offer()).split("\r\n")
        asked = "\r\n".join(candidate if line.startswith("a=candidate") else line for line in asked)
        async with room() as here, aiohttp.ClientSession() as http:
            status, _, _ = await ask(http, "POST", f"{here.url}/whip/7", "7/a/pw", asked, **SDP)
            await asyncio.sleep(0.7)
        door.close()
        return status, knocked

    assert run(play()) == (201, [])


def test_garbage_thrown_at_the_media_port_stops_nothing(room):
    chance = random.Random(11)

    async def play():
        async with room() as here:
            person = here.participant("a")
            await person.publish()
            await asyncio.sleep(0.5)
            port = int(
                re.search(r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)", person._open[0][0].remoteDescription.sdp)[1]
            )
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
                for number in range(600):
                    head = (b"", b"\x80\x61", b"\x80\xc8", b"\x16\xfe\xfd", b"\x00\x01")[number % 5]
                    wire.sendto(head + chance.randbytes(chance.randrange(1, 400)), ("127.0.0.1", port))
                    if number % 50 == 0:
                        await asyncio.sleep(0.02)
            await asyncio.sleep(1.5)
            await person.leave()
            return await here.archived()

    files = run(play())

    items = json.loads(files["manifest.json"])["items"]
    assert [item for item in items if item["kind"] == "gap"] == []
    (segment,) = [item for item in items if item["kind"] == "segment"]
    assert segment["frames"]["audio"] > 90


def test_nobody_opens_connections_without_end(room, monkeypatch):
    monkeypatch.setattr(signalling, "MOST_CONNECTIONS", 3)

    async def play():
        async with room() as here, aiohttp.ClientSession() as http:
            asked, told = await offer(), []
            for source in ("camera", "screen", "camera", "screen", "camera"):
                url = f"{here.url}/whip/7?source={source}"
                told.append((await ask(http, "POST", url, "7/a/pw", asked, **SDP))[0])
            return told

    assert set(run(play())) == {201}  # a replaced connection no longer counts

    async def watch():
        async with room() as here, aiohttp.ClientSession() as http:
            await here.participant("a").publish()
            asked, told = await offer(direction="recvonly"), []
            for _ in range(4):
                told.append((await ask(http, "POST", f"{here.url}/whep/7/a", "7/b/w", asked, **SDP))[0])
            return told

    assert run(watch()) == [201, 201, 201, 429]
