"""The wall: a session watched over HTTP by hls.js while it runs, a few seconds behind."""

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from evaluation.recorder import pieces
from storage.objects import Absent
from tests.evaluation.recorder.conftest import Moody, run
from tests.evaluation.recorder.test_browser import CHROMIUM, STATIC, browser

PAGE = """<!doctype html><html lang="zh-CN"><title>监看</title>
<ul data-part="evaluation:wall"><li data-playlist="/live/a.camera/index.m3u8"><video muted></video></li></ul>
<script src="/static/vendor/hls.light.min.js"></script>
<script type="module" src="/static/start.js"></script></html>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]


@asynccontextmanager
async def showing(store: Moody):
    """What the app does for a supervisor: playlists from the pieces, files from the store."""
    head = {"Content-Security-Policy": "default-src 'self'; media-src 'self' blob:"}

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html", headers=head)

    async def live(request: web.Request) -> web.Response:
        track, name = request.match_info["track"], request.match_info["name"]
        if name == "index.m3u8":
            text = pieces.live_playlist(pieces.read_items(store, "7"), track)
            return web.Response(text=text, content_type="application/vnd.apple.mpegurl")
        try:
            with store.open(pieces.key_of("7", f"{track}/{name}")) as file:
                return web.Response(body=file.read())
        except Absent:
            raise web.HTTPNotFound from None

    app = web.Application()
    app.add_routes([web.get("/", page), web.get("/live/{track}/{name}", live), web.static("/static", STATIC)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def test_a_running_session_is_seen_a_few_seconds_behind(room):
    async def play():
        async with room() as here, showing(here.store) as address:
            await here.participant("a").publish(tint=3)
            await asyncio.sleep(6)
            async with browser(address) as (page, complaints):
                for _ in range(80):
                    if await page.get_attribute("li", "data-state") == "live":
                        break
                    await asyncio.sleep(0.1)
                await asyncio.sleep(1.5)
                seen = await page.evaluate(
                    "(v => [v.currentTime, v.getVideoPlaybackQuality().totalVideoFrames, v.videoWidth])"
                    "(document.querySelector('video'))"
                )
                return seen, await page.get_attribute("li", "data-state"), complaints

    (at, frames, width), state, complaints = run(play(), 60)

    assert (state, complaints) == ("live", [])
    assert width == 640
    assert frames > 10
    assert at > 0.5
