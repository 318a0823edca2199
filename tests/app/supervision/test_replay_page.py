"""The replay page in a real browser: the evidence is judged there, and the page is open to everybody."""

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from evaluation import sessions
from tests.app.supervision.test_supervision import archived, recorded
from tests.app.test_kit import CHROMIUM
from tests.evaluation.views.test_browser import house, visit  # noqa: F401

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]


@pytest.mark.parametrize(("forged", "verdict"), [(False, "whole"), (True, "bad")])
def test_the_page_says_whether_the_evidence_is_whole(house, doors, store, app, forged, verdict):  # noqa: F811
    room = doors.room
    session = room.running()
    lines = recorded(store, session, None if forged else app.extensions["house"].platform_key)
    sessions.abort(room.db, session, reason="演练", by=room.centre)
    archived(store, session, lines)
    page = visit(house, doors, room.supervisor, width=360, language="en")

    page.goto(f"/supervision/recordings/{session.id}")

    player = page.locator('[data-part="evaluation:replay"]')
    expect(player).to_have_attribute("data-proof", verdict)
    expect(player).to_contain_text("Hand in the scores")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
