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
from evaluation.recorder import pieces
from evaluation.recorder.fmp4 import RATE, Media
from storage.objects import Absent
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

WALL = """<!doctype html><html lang="zh-CN"><title>监看</title>
<ul data-part="evaluation:wall"><li data-playlist="/live/a.camera/index.m3u8"><video muted></video></li></ul>
<script src="/static/vendor/hls.light.min.js"></script>
<script type="module" src="/static/start.js"></script></html>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]


@asynccontextmanager
async def pages(here: Room) -> AsyncIterator[str]:
    """What the app serves: static files, the room, the wall, live playlists and files, under its content policy."""
    head = {"Content-Security-Policy": POLICY.format(recorder=here.url)}

    async def page(request: web.Request) -> web.Response:
        markup = WALL if request.path == "/wall" else PAGE.format(recorder=here.url)
        return web.Response(text=markup, content_type="text/html", headers=head)

    async def live(request: web.Request) -> web.Response:
        track, name = request.match_info["track"], request.match_info["name"]
        if name == "index.m3u8":
            text = pieces.live_playlist(pieces.read_items(here.store, "7"), track)
            return web.Response(text=text, content_type="application/vnd.apple.mpegurl")
        try:
            with here.store.open(pieces.key_of("7", f"{track}/{name}")) as file:
                return web.Response(body=file.read())
        except Absent:
            raise web.HTTPNotFound from None

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/wall", page), web.get("/live/{track}/{name}", live)])
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


async def shown(page: Page, video: str) -> tuple[int, int]:
    """Frames and width of what a video has shown so far."""
    asked = f"(v => [v.getVideoPlaybackQuality().totalVideoFrames, v.videoWidth])(document.querySelector('{video}'))"
    return tuple(await page.evaluate(asked))


def test_a_browser_publishes_and_watches_and_is_seen_on_the_wall(room, signer):
    async def play():
        async with room() as here:
            other = here.participant("b")
            await other.publish(tint=4)
            async with pages(here) as address:
                here.origin(address)
                async with browser(address) as (page, complaints):
                    await page.wait_for_selector("[data-part][data-state=connected]", timeout=15_000)
                    count = iter(range(1_000_000))
                    peer = here.session._stands["a.camera"].connection
                    drop(peer, lambda: next(count) % 30 == 7)  # every thirtieth packet, sound and picture
                    await asyncio.sleep(6)
                    wall = await page.context.browser.new_page()
                    await wall.goto(f"{address}/wall")
                    await wall.wait_for_selector("li[data-state=live]", timeout=15_000)
                    await asyncio.sleep(1)
                    on_wall = await shown(wall, "video")
                    frames, _ = await shown(page, "[data-participant=b] video")
                    said = await page.text_content("[role=status]")
            await asyncio.sleep(0.3)
            return complaints, frames, said, on_wall, await here.archived()

    complaints, frames, said, on_wall, files = run(play(), 90)

    assert complaints == []
    assert "录音录像" in said
    assert frames > 60
    assert on_wall[0] > 3
    assert on_wall[1] > 0
    samples = recorded(files, "a.camera")
    assert len(samples[Media.VIDEO]) > 70
    assert len(samples[Media.AUDIO]) > 300
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
