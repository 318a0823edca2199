"""Debian's Chromium with a fake camera: publishes by WHIP, sees another by WHEP, and its record plays."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import pytest
from aiohttp import web
from playwright.async_api import Page, async_playwright

from evaluation import evidence
from evaluation.recorder.fmp4 import RATE, Media
from tests.evaluation.recorder.conftest import Room, run
from tests.evaluation.recorder.test_recording import drop, recorded

CHROMIUM = "/usr/bin/chromium"
STATIC = Path(__file__).parents[3] / "app" / "static"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--lang=zh-CN", "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream", "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
POLICY = "default-src 'self'; media-src 'self' blob:; connect-src 'self' {recorder}"
PAGE = """<!doctype html><html lang="zh-CN"><title>评标室</title>
<section data-part="evaluation:room" data-recorder="{recorder}" data-session="7" data-me="a" data-ticket="7/a/pw"
  data-publish="yes"><p role="status" data-room="state"></p>
  <button type="button" data-room="mute" hidden>静音</button>
  <ul data-room="grid"><li data-participant="a">甲</li><li data-participant="b">乙</li></ul></section>
<script type="module" src="/static/start.js"></script></html>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]


@asynccontextmanager
async def pages(recorder: str, markup: str) -> AsyncIterator[str]:
    """Our static files and one page, under the app's own content policy."""
    head = {"Content-Security-Policy": POLICY.format(recorder=recorder)}

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=markup, content_type="text/html", headers=head)

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_static("/static", STATIC)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def browser(address: str) -> AsyncIterator[tuple[Page, list[str]]]:
    """A page on that address, and everything it complains of."""
    complaints: list[str] = []
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = await chromium.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda line: complaints.append(line.text) if "Policy" in line.text else None)
        await page.goto(address)
        try:
            yield page, complaints
        finally:
            await chromium.close()


async def watching(here: Room, page: Page) -> int:
    """Frames of the other that the browser has shown so far."""
    shown = "document.querySelector('[data-participant=b] video').getVideoPlaybackQuality().totalVideoFrames"
    return await page.evaluate(shown)


def test_a_browser_publishes_and_watches(room, signer, monkeypatch):
    async def play():
        async with room() as here:
            other = here.participant("b")
            await other.publish(tint=4)
            markup = PAGE.format(recorder=here.url)
            async with pages(here.url, markup) as address:
                here.origin(address)
                async with browser(address) as (page, complaints):
                    await page.wait_for_selector("[data-part][data-state=connected]", timeout=8000)
                    peer = here.session._stands["a.camera"].connection
                    count = iter(range(1_000_000))
                    drop(peer, lambda: next(count) % 30 == 7)  # every thirtieth packet, audio and video
                    await asyncio.sleep(9)
                    frames = await watching(here, page)
                    said = await page.text_content("[role=status]")
            await asyncio.sleep(0.5)
            return complaints, frames, said, await here.archived()

    complaints, frames, said, files = run(play(), 60)

    assert complaints == []
    assert "录音录像" in said
    assert frames > 60
    samples = recorded(files, "a.camera")
    assert len(samples[Media.VIDEO]) > 90
    assert len(samples[Media.AUDIO]) > 400
    manifest = json.loads(files["manifest.json"])
    verdict = evidence.verify_recording(manifest, files.get, key=signer.public)
    assert verdict.whole, verdict.bad
    assert [item for item in manifest["items"] if item["kind"] == "gap"] == []
    starts = {media: some[0].at / RATE[media] for media, some in samples.items()}
    assert abs(starts[Media.VIDEO] - starts[Media.AUDIO]) < 0.7  # the camera starts when it starts
    whole = files["a.camera/init-000001.mp4"] + b"".join(
        files[name] for name in sorted(files) if name.startswith("a.camera/0")
    )
    with av.open(io.BytesIO(whole)) as container:
        decoded = [frame for packet in container.demux(video=0) for frame in packet.decode()]
    assert len(decoded) == len(samples[Media.VIDEO])
