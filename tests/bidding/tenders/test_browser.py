"""The tenders in a real browser: every page for axe at two widths, and a bid unlocked from its rescue file by keyboard."""

import re
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, Page, expect, sync_playwright
from werkzeug.serving import make_server

from bidding.tenders import awards, hall, notices
from bidding.tenders.bids import Bid, BidState
from ca import login
from ca.parties import Person
from ca.rights import Role
from ca.sealing import rescue
from tests.app.test_kit import CHROMIUM, FLAGS, Silent
from tests.bidding.tenders.sweeping import sweep

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium"),
]
PASSPHRASE = "a long passphrase"


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
def house(tenders_app):
    served = OneByOne(tenders_app)
    server = make_server("127.0.0.1", 0, served, threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium, f"http://127.0.0.1:{server.server_port}", served.lock
        chromium.close()
    server.shutdown()


class Walk:
    """Somebody with a browser, who looks at pages."""

    def __init__(self, house, stage, person: Person | None, width: int = 1280, language: str = "zh") -> None:
        chromium, address, lock = house
        self.context = chromium.new_context(
            viewport={"width": width, "height": 800}, reduced_motion="reduce", base_url=address, locale="zh-CN"
        )
        cookies = {"lang": language}
        if person is not None:
            with lock:
                cookies["gh_session"] = login.begin(stage.db, person)
                stage.db.flush()
        self.context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
        self.page: Page = self.context.new_page()
        self.width, self.lock, self.broken = width, lock, []
        self.page.on("pageerror", lambda error: self.broken.append(str(error)))
        self.page.on("console", lambda said: "Content Security Policy" in said.text and self.broken.append(said.text))

    def see(self, *paths: str) -> None:
        """Each page: nothing for axe, nothing sideways, no policy broken."""
        for path in paths:
            assert self._goto(path).status == 200, path
            expect(self.page.locator(".server-clock time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
            found = Axe().run(self.page)
            assert found.violations_count == 0, path + found.generate_report()
            assert self.page.evaluate("document.documentElement.scrollWidth") <= self.width, path
            assert self.broken == [], path


    def _goto(self, path: str):
        try:
            return self.page.goto(path)
        except Error:  # the page before reached its moment and showed itself anew just now
            return self.page.goto(path)


def later(stage) -> dict:
    """Times that do not come while a slow browser looks around."""
    start = stage.terms([]).submission_deadline
    return {
        name: start + timedelta(minutes=minutes)
        for name, minutes in (("submission_deadline", 30), ("unlock_until", 60), ("release_until", 90))
    }


@pytest.mark.parametrize(("width", "language"), [(360, "zh"), (1280, "en")])
def test_every_page_is_open_to_everybody(house, stage, width, language):
    buyer, supervisor = stage.buyer(), stage.supervisor()
    draft, tender = stage.drafted(buyer), stage.published(buyer, **later(stage))
    bidders = [stage.bidder() for _ in range(4)]
    bids = [stage.submit(tender, bidder) for bidder in bidders]
    refused = stage.upload(tender, bidders[0], b"not sealed")
    from bidding.tenders import submission

    bad = submission.hand_in(stage.db, refused, b"x", by=bidders[0].actor)
    submission.verify(stage.db, stage.store, bad.id, key=stage.key, recognised=stage.recognised)
    stage.db.flush()
    lock = house[2]
    one, new = f"/tenders/{tender.id}", f"/tenders/{draft.id}"
    buying = Walk(house, stage, buyer, width, language)
    bidding = Walk(house, stage, bidders[0], width, language)
    watching = Walk(house, stage, supervisor, width, language)
    passing = Walk(house, stage, None, width, language)
    document = draft.documents[0].id
    buying.see(
        "/tenders", "/tenders/new", new, new + "/edit", new + "/documents", f"{new}/documents/{document}/removal",
        new + "/publication", one, one + "/documents", one + "/cancellation",
    )  # fmt: skip
    with lock:
        waiting = notices.publish(stage.db, stage.drafted(buyer, **later(stage)), by=buyer.actor)
        stage.db.flush()
    buying.see(f"/tenders/{waiting.id}", f"/tenders/{waiting.id}/redrafting")
    bidding.see(
        "/tenders", one, one + "/registration", one + "/bids/new", f"/tenders/bids/{bids[0].id}",
        f"/tenders/bids/{bad.id}", f"/tenders/bids/{bids[0].id}/withdrawal",
    )  # fmt: skip
    passing.see("/tenders", one)

    with lock:
        stage.frozen(tender)
        for bid in bids[1:3]:
            stage.unlock(bid)
        hall.object_to(stage.db, tender, "第二家的名称写错了", by=bidders[1].actor)
        objection = hall.objections(stage.db, tender)[0].id
        stage.db.flush()
    bidding.see(one + "/hall", one + "/unlock", one + "/objections/new")
    buying.see(one + "/hall", f"/tenders/objections/{objection}/answer")
    passing.see(one + "/hall")
    with lock:
        stage.unlock(bids[0])
        stage.closed(tender, supervisor)
        stage.release(tender)
        stage.opened(tender)
        stage.db.flush()
    watching.see(one, one + "/hall", one + "/close")
    bidding.see(one + "/hall", one + "/confirmation", f"/tenders/bids/{bids[0].id}")
    with lock:
        ranking = [{"bid_id": str(bid.id), "place": n, "score": f"{95 - n}.50"} for n, bid in enumerate(bids[:3], 1)]
        awards.receive_ranking(stage.db, tender, ranking, {}, by=stage.person("专家", Role.EXPERT).actor)
        stage.db.flush()
    buying.see(one + "/candidates", one + "/failure", one + "/kept-deposits")
    with lock:
        awards.publish_candidates(stage.db, tender, by=buyer.actor)
        stage.db.flush()
    passing.see(one)
    buying.see(one + "/award")
    with lock:
        stage.at(tender.standstill_until)
        awards.award(stage.db, tender, bids[0], by=buyer.actor)
        from bidding.tenders import contracts

        contracts.draw_up(stage.db, tender, by=buyer.actor)
        stage.db.flush()
    buying.see(one, one + "/contract")
    bidding.see(one + "/contract")


def test_a_bid_is_unlocked_from_its_rescue_file_by_keyboard(house, stage, tmp_path):
    tender = stage.published(**later(stage))
    bids = [stage.submit(tender, stage.bidder()) for _ in range(3)]
    stage.frozen(tender)
    stage.db.flush()
    file = tmp_path / "bid.rescue"
    file.write_bytes(rescue.write(rescue.rescue_of(stage.made[bids[0].id].sealed), PASSPHRASE))
    sent = []
    mine = Walk(house, stage, stage.db.get(Person, bids[0].person_id))
    mine.page.on("request", lambda request: request.method == "POST" and sent.append(request.post_data or ""))
    mine.page.goto(f"/tenders/{tender.id}/unlock")
    box = mine.page.locator('[data-part="tenders:unlock"]')
    expect(box).to_be_visible()
    box.locator("input[type=file]").set_input_files(file)
    box.locator("input[type=password]").focus()
    mine.page.keyboard.type(PASSPHRASE)
    mine.page.keyboard.press("Tab")
    mine.page.keyboard.press("Enter")
    expect(mine.page.locator("#field-kb")).to_have_value(stage.made[bids[0].id].sealed.kb.hex(), timeout=60_000)
    mine.page.keyboard.press("Enter")  # the key's field has the focus: Enter sends the form
    expect(mine.page).to_have_url(re.compile(r"/hall$"))
    with mine.lock:
        stage.db.expire_all()
        assert stage.db.get(Bid, bids[0].id).state is BidState.UNLOCKED
    secrets = (stage.made[bids[0].id].sealed.kc.hex(), "a+long+passphrase", PASSPHRASE, '"scrypt"')
    assert sent
    assert not any(secret in body for secret in secrets for body in sent)


def test_a_bid_is_uploaded_and_handed_in_with_the_page(house, stage, tmp_path):
    tender, bidder = stage.published(**later(stage)), stage.bidder()
    from bidding.tenders import registration

    registration.register(stage.db, tender, by=bidder.actor)
    made = stage.make(tender, bidder)
    stage.db.flush()
    (tmp_path / "bid.sealed").write_bytes(made.file)
    (tmp_path / "bid.sealed.p7s").write_bytes(made.signature)
    mine = Walk(house, stage, bidder)
    mine.page.goto(f"/tenders/{tender.id}/bids/new")
    mine.page.locator("#field-sealed").set_input_files(tmp_path / "bid.sealed")
    expect(mine.page.locator("[data-upload-result]")).to_have_value(re.compile(r"/tenders/uploads/"), timeout=20_000)
    mine.page.locator("#field-signature").set_input_files(tmp_path / "bid.sealed.p7s")
    mine.page.get_by_role("button", name="递交", exact=True).click()
    expect(mine.page.get_by_role("heading", name="正在核验")).to_be_visible()
    with mine.lock:
        sweep(stage.app, stage)
    expect(mine.page.get_by_role("heading", name="已递交，回执已签发")).to_be_visible(timeout=10_000)
    assert mine.broken == []
