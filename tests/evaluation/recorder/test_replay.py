"""The replay in Chromium: in step, proved on the viewer's own device, by keyboard, and a bad segment named."""

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from evaluation import evidence
from evaluation.evidence import Chain, Kind
from evaluation.recorder.track import Track
from tests.evaluation.recorder.conftest import run
from tests.evaluation.recorder.test_browser import CHROMIUM, STATIC, browser
from tests.evaluation.recorder.test_track import BOTH, Camera, Shelf

PAGE = """<!doctype html><html lang="zh-CN"><title>回放</title>
<link rel="stylesheet" href="/static/evaluation/room.css">
<section data-part="evaluation:replay" data-manifest="/files/manifest.json" data-files="/files/" data-key="{key}"
  data-names='{{"a": "甲", "b": "乙"}}' data-kinds='{{"score.given": "评分"}}'></section>
<script type="module" src="/static/start.js"></script></html>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]


@pytest.fixture
def recording(tmp_path: Path, signer) -> dict[str, bytes]:
    """Eighteen seconds of two participants, the second ten seconds later, and three events; files by name."""
    chain, files, lines = Chain("7", signer), {}, []
    told: list[tuple[int, dict[str, Any]]] = []
    for name, begins, seconds in (("a", 0, 18), ("b", 10_000, 8)):
        shelf = Shelf(tmp_path / name)
        track = Track(f"{name}.camera", shelf)
        Camera(track, BOTH, start_ms=float(begins)).run(seconds)
        track.left()
        (init,) = (tmp_path / name).glob("*/init-*.mp4")
        kept = [(f"{track.name}/{init.name}", init.read_bytes(), shelf.inits[0] | {"kind": Kind.INIT})]
        kept += [
            (one.name, one.path.read_bytes(), facts | {"kind": Kind.SEGMENT})
            for one, facts in zip(shelf.kept, shelf.segments, strict=True)
        ]
        for file, body, facts in kept:
            files[file] = body
            facts |= {"name": file, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            told.append((facts.get("t0", begins - 100), facts))
    told += [
        (at, {"kind": Kind.EVENT, "at": at, "what": "score.given", "facts": {"by": by}})
        for at, by in ((3000, "a"), (12_000, "b"), (15_000, "a"))
    ]
    lines.append(chain.add(Kind.OPENED, at=0, zero=1_795_000_000_000, participants=["a", "b"]))
    for _, facts in sorted(told, key=lambda one: one[0]):
        lines.append(chain.add(facts.pop("kind"), **facts))
    lines += [chain.add(Kind.CHECKPOINT, at=17_000), chain.close(18_000)]
    files["manifest.json"] = json.dumps(evidence.manifest("7", lines)).encode()
    return files


@asynccontextmanager
async def archive(files: dict[str, bytes], markup: str):
    head = {"Content-Security-Policy": "default-src 'self'; media-src 'self' blob:"}

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=markup, content_type="text/html", headers=head)

    async def file(request: web.Request) -> web.Response:
        body = files.get(request.match_info["name"])
        return web.Response(body=body) if body is not None else web.Response(status=404)

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_get("/files/{name:.+}", file)
    app.router.add_static("/static", STATIC)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def shown(files: dict[str, bytes], signer, moment: str):
    """The replay of these files in a browser, opened at a moment."""
    markup = PAGE.format(key=signer.public.hex())
    async with archive(files, markup) as address, browser(f"{address}?t={moment}") as opened:
        yield opened


async def until(page, question: str) -> None:
    """Wait for something to be true on the page (whose content policy forbids playwright's own way)."""
    for _ in range(100):
        if await page.evaluate(question):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(question)


async def told(page, name: str) -> str:
    return await page.get_attribute("[data-part]", f"data-{name}")


def test_it_plays_in_step_and_proves_itself(recording, signer):
    async def play():
        async with shown(recording, signer, "0:09.0") as (page, complaints):
            await page.wait_for_selector("[data-state=ready]")
            await page.wait_for_selector("[data-proof=whole]")
            begun = int(await told(page, "at"))
            absent = await page.get_attribute('[data-track="b.camera"]', "data-state")
            await page.keyboard.press("Space")
            await page.keyboard.press("+")
            await until(page, "document.querySelector('[data-part]').dataset.at > 13500")
            drift = int(await told(page, "drift"))
            here = await page.get_attribute('[data-track="b.camera"]', "data-state")
            frames = await page.evaluate(
                "[...document.querySelectorAll('video')].map(v => v.getVideoPlaybackQuality().totalVideoFrames)"
            )
            await page.keyboard.press("Space")
            await page.click(".replay-events li:nth-child(1) button")
            await page.wait_for_timeout(100)
            sought, link = int(await told(page, "at")), page.url
            await page.fill("input[type=search]", "乙")
            listed = await page.locator(".replay-events li:visible").count()
            await page.click("text=核对全部")
            await until(page, "document.querySelector('.hint').textContent.includes('8 / 8')")
            said = await page.text_content("[role=status]")
            return begun, absent, drift, here, frames, sought, link, listed, said, complaints

    begun, absent, drift, here, frames, sought, link, listed, said, complaints = run(play(), 60)

    assert (begun, absent, here) == (9000, "absent", "here")
    assert drift <= 80  # at double speed
    assert min(frames) > 20
    assert sought == 3000
    assert link.endswith("?t=3.0")
    assert listed == 1
    assert "证据链完整" in said
    assert complaints == []


def test_what_was_changed_is_named_and_not_shown(recording, signer):
    edited = dict(recording)
    edited["manifest.json"] = recording["manifest.json"].replace(b'"by": "b"', b'"by": "a"')
    body = bytearray(recording["b.camera/000001.m4s"])
    body[5000] ^= 1
    damaged = recording | {"b.camera/000001.m4s": bytes(body)}

    def named(files: dict[str, bytes]) -> str:
        return f"第 {evidence.verify_recording(json.loads(files['manifest.json']), files.get).bad.n} 项"

    async def look(files: dict[str, bytes]) -> tuple[str, str]:
        async with shown(files, signer, "11") as (page, _):
            await page.wait_for_selector("[data-proof=bad]")
            await asyncio.sleep(0.3)
            state = await page.get_attribute('[data-track="b.camera"]', "data-state")
            return await page.text_content("[role=status]"), state

    async def play() -> list[tuple[str, str]]:
        return await asyncio.gather(look(edited), look(damaged))

    (event, event_state), (segment, segment_state) = run(play(), 60)

    assert named(edited) in event
    assert event_state == "here"
    assert named(damaged) in segment
    assert segment_state == "bad"
