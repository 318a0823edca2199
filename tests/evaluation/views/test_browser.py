"""The room in a real browser: open to everybody (axe, 360 px), filled in by keyboard, and nobody's picture falls."""

import re
import threading
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect, sync_playwright
from werkzeug.serving import make_server

from ca import login
from evaluation import report, scores
from evaluation.models import ExpertDraw, Score
from tests.app.test_kit import CHROMIUM, FLAGS, Silent
from tests.evaluation.views.conftest import who

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]
MEDIA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]


class OneByOne:
    """All requests of a test share one transaction: one at a time."""

    def __init__(self, app) -> None:
        self.app, self.lock = app, threading.RLock()

    def __call__(self, environ, start):
        with self.lock:
            answer = self.app(environ, start)
            try:
                return [b"".join(answer)]
            finally:
                if hasattr(answer, "close"):
                    answer.close()


@pytest.fixture
def house(app):
    served = OneByOne(app)
    server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS + MEDIA)
        yield chromium, f"http://127.0.0.1:{server.server_port}", served.lock
        chromium.close()
    server.shutdown()


def visit(house, doors, actor, *, width=1280, language="zh") -> Page:
    """A browser in which somebody has logged in."""
    chromium, address, lock = house
    with lock, doors.room.db.begin_nested():
        token = login.begin(doors.room.db, doors.person(actor))
    context = chromium.new_context(
        viewport={"width": width, "height": 800}, reduced_motion="reduce", base_url=address,
        locale={"zh": "zh-CN", "en": "en-GB"}[language],
    )  # fmt: skip
    cookies = {"gh_session": token, "lang": language}
    context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
    page = context.new_page()
    page.broken = []  # type: ignore[attr-defined]
    page.on("pageerror", lambda error: page.broken.append(str(error)))
    page.on("console", lambda said: "Content Security Policy" in said.text and page.broken.append(said.text))
    return page


def check(page: Page, path: str, width: int) -> None:
    """One page: nothing for axe, nothing sideways, no policy broken."""
    assert page.goto(path).status == 200, path
    expect(page.locator(".server-clock time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    found = Axe().run(page)
    assert found.violations_count == 0, path + found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert page.broken == [], path


@pytest.mark.parametrize(("width", "language"), [(360, "zh"), (1280, "en")])
def test_every_page_is_open_to_everybody(house, doors, width, language):
    room = doors.room
    session = room.handed_in()
    second = who(session.members[1])
    change = scores.ask_change(
        room.db, session, room.bids[0].id, "plan", "38", ground=scores.Ground.ABNORMAL, reason="畸高", by=second
    )
    draw = room.db.query(ExpertDraw).one()
    one = f"/evaluation/{session.id}"
    walks = {
        who(session.leader): [
            "/evaluation/", one, one + "/answer", one + "/declining", one + "/check-in", one + "/leader", one + "/room",
            one + "/handing-in", one + "/changes", f"{one}/changes/{change.id}", one + "/compiling", one + "/pause",
        ],
        room.centre: [
            "/evaluation/", "/evaluation/new", one, one + "/draw", one + "/opening", one + "/resumption",
            one + "/abortion", "/evaluation/experts", "/evaluation/experts/new", "/evaluation/experts/1/interests",
        ],
        room.supervisor: [
            one, f"/evaluation/draws/{draw.id}", f"/evaluation/draws/{draw.id}/contribution", "/supervision/",
            f"/supervision/files/session/{session.id}?check=1", "/supervision/wall", "/supervision/recordings",
            f"/supervision/recordings/{session.id}",
        ],
        room.entity: [one],
    }  # fmt: skip
    walks[room.centre][-1] = f"/evaluation/experts/{session.members[0].expert_id}/interests"
    for actor, paths in walks.items():
        page = visit(house, doors, actor, width=width, language=language)
        for path in paths:
            check(page, path, width)
        page.context.close()

    scores.decide_change(room.db, session, change.id, consent=True, by=who(session.leader))
    report.compile_(room.db, session, bids=room.opened, by=who(session.leader))
    page = visit(house, doors, second, width=width, language=language)
    for path in (one + "/signature", one + "/report"):
        check(page, path, width)


def test_a_sheet_is_filled_in_by_keyboard_and_no_picture_falls(house, doors):
    room = doors.room
    session = room.running()
    me = session.members[2]
    page = visit(house, doors, who(me))
    page.goto(f"/evaluation/{session.id}/room")
    page.evaluate("window.stillHere = document.querySelector('[data-part=\"evaluation:room\"]').marked = 'yes'")
    expect(page.locator("[data-participant] video")).to_have_count(5)

    for bid in room.bids:
        form = page.locator(f"#bid-{bid.id} form")
        form.get_by_role("radio").first.focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.type("40")
        page.keyboard.press("Tab")
        page.keyboard.type("15.5")
        expect(form.locator(".saved-words")).to_contain_text("保存", timeout=5000)
    with house[2]:
        room.db.expire_all()
        values = [score.value for score in room.db.query(Score).filter_by(seat_id=me.id)]
    assert sorted(values) == ["15.5"] * 3 + ["40"] * 3

    page.get_by_role("link", name="提交评分").first.press("Enter")
    page.get_by_role("button", name="确认提交").press("Enter")
    expect(page.get_by_role("heading", name="您的评分已提交")).to_be_visible()

    assert page.evaluate("document.querySelector('[data-part=\"evaluation:room\"]').marked") == "yes"
    assert page.evaluate("window.stillHere") == "yes", "the page was never left"
    assert page.locator("#sheet").count() == 1
    with house[2]:
        room.db.expire_all()
        assert me.submitted_at is not None
    assert page.broken == []
