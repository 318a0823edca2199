"""kit.html in a real browser: axe finds nothing, the strict policy is never broken, a narrow screen never scrolls
sideways, the page stays light, and the parts do what they promise – also when the visitor's clock is wrong."""

import re
import threading
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.app import example

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--lang=zh-CN",
]  # fmt: skip
HEAVIEST = 350 * 1024  # bytes of one page with everything it loads, not compressed


class Silent(WSGIRequestHandler):
    def log_request(self, *_: object) -> None:
        """The tests say what matters."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = make_server("127.0.0.1", 0, example.application(), threaded=True, request_handler=Silent)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


def opened(browser: Browser, address: str, path: str = "/", *, width: int = 1280, large=False, language="zh") -> Page:
    context = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce")
    chosen = {"lang": language, "large": "1" if large else "0"}
    context.add_cookies([{"name": name, "value": value, "url": address} for name, value in chosen.items()])
    page = context.new_page()
    page.complaints = []  # type: ignore[attr-defined]
    page.on("console", lambda said: said.type in ("error", "warning") and page.complaints.append(said.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(address + path)
    expect(page.locator(".server-clock time")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))  # the parts have started
    return page


@pytest.mark.parametrize("path", ["/", "/wrong"])
@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("large", [False, True], ids=["normal", "large"])
@pytest.mark.parametrize("width", [1280, 360])
def test_kit_is_open_to_everybody(browser, address, width, large, language, path):
    page = opened(browser, address, path, width=width, large=large, language=language)

    found = Axe().run(page)

    assert found.violations_count == 0, found.generate_report()
    assert page.complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()


def test_kit_is_light(browser, address):
    context = browser.new_context()
    page = context.new_page()
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address + "/", wait_until="networkidle")

    sizes = {answer.url: len(answer.body()) for answer in answers}
    assert sum(sizes.values()) <= HEAVIEST, sizes
    context.close()


def test_countdown_follows_the_server_when_the_visitors_clock_is_an_hour_wrong(browser, address):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.clock.install(time="2026-11-22T11:00:00Z")
    page.goto(address + "/?lang=zh")

    expect(page.locator("[data-part=countdown]").first).to_have_text(re.compile(r"^还有 2\s天 03\s小时 1[0-4]\s分"))
    context.close()


def test_a_summary_link_leads_into_its_field(browser, address):
    page = opened(browser, address, "/wrong")
    assert page.evaluate("document.activeElement.id") == "errors"

    page.locator("#errors a").nth(1).press("Enter")

    assert page.evaluate("document.activeElement.name") == "amount"
    page.context.close()


def region_after(browser: Browser, address: str, change, act=None) -> Page:
    """The kit after its live region was answered with the server's markup, changed."""
    page = opened(browser, address)
    if act:
        act(page)
    calls = []

    def answer(route):
        calls.append(1)
        body = route.fetch().text()
        route.fulfill(body=change(body) if len(calls) > 1 else body, content_type="text/html")

    page.route("**/live", answer)
    page.wait_for_timeout(2300)
    assert len(calls) >= 2
    return page


def test_a_live_region_changes_only_what_the_server_changed(browser, address):
    mark = "document.querySelector('[data-part=live] {}').kept = true"

    def act(page):
        page.locator("[data-part=live] summary").click()
        page.evaluate(mark.format("summary"))
        page.evaluate(mark.format(".countdown-left"))

    page = region_after(browser, address, lambda body: body.replace("5 份", "6 份") + "<p>新的一行</p>", act)

    region = page.locator("[data-part=live]")
    expect(region.locator("p").first).to_have_text("已收到 6 份承诺值，共 7 份。")
    expect(region.locator("p").last).to_have_text("新的一行")
    assert region.locator("details").get_attribute("open") is not None
    assert page.evaluate("document.querySelector('[data-part=live] summary').kept")
    assert page.evaluate("document.querySelector('[data-part=live] .countdown-left').kept")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert page.complaints == []
    page.context.close()


def test_a_live_region_never_replaces_what_has_the_focus(browser, address):
    def act(page):
        page.locator("[data-part=live] summary").focus()

    page = region_after(browser, address, lambda body: body.replace("为什么", "何以"), act)
    expect(page.locator("[data-part=live] summary")).to_have_text("为什么不能提前开标？")

    page.locator("[name=name]").focus()

    expect(page.locator("[data-part=live] summary")).to_have_text("何以不能提前开标？")
    page.context.close()


def test_a_live_region_drops_what_is_gone_and_starts_parts_that_come(browser, address):
    def change(body):
        start = body.index("<details")
        countdown = body[body.index('<p><span class="countdown"') :]
        return body[:start] + countdown + "<p>之间</p>" + countdown

    page = region_after(browser, address, change)

    region = page.locator("[data-part=live]")
    expect(region.locator("details")).to_have_count(0)
    expect(region.locator(".countdown-left")).to_have_count(2)
    for place in (0, 1):
        expect(region.locator(".countdown-left").nth(place)).to_have_text(re.compile("^还有"))
    page.context.close()


def test_capitals_appear_while_an_amount_is_typed(browser, address):
    page = opened(browser, address)
    page.fill("[name=amount]", "1234567.8")

    expect(page.locator(".field-uppercase")).to_have_text("1,234,567.8 · 壹佰贰拾叁万肆仟伍佰陆拾柒元捌角")
    page.context.close()


def test_without_scripts_everything_is_there(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address + "/?lang=zh")

    assert page.locator(".countdown-left").first.inner_text() == "2 天 3 小时后"
    assert page.locator(".unmask-name").is_visible()
    assert page.locator("input[type=file][name=bid]").is_visible()
    context.close()


def test_skip_link_is_the_first_thing_the_keyboard_finds(browser, address):
    page = opened(browser, address)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"

    page.keyboard.press("Enter")

    assert page.evaluate("document.activeElement.id") == "content"
    page.context.close()


def test_an_upload_survives_a_cut_and_the_form_carries_its_address(browser, address, tmp_path):
    page = opened(browser, address)
    received, cuts = [], [True]

    def centre(route):
        request = route.request
        if request.method == "POST":
            route.fulfill(status=201, headers={"Location": "/uploads/7f", "Tus-Resumable": "1.0.0"})
        elif request.method == "HEAD":
            length = str(9 * 1024 * 1024)
            offset = str(sum(received))
            route.fulfill(headers={"Upload-Offset": offset, "Upload-Length": length, "Tus-Resumable": "1.0.0"})
        elif received and cuts:
            cuts.pop()
            route.abort()
        else:
            received.append(len(request.post_data_buffer))
            route.fulfill(status=204, headers={"Upload-Offset": str(sum(received)), "Tus-Resumable": "1.0.0"})

    page.route("**/uploads**", centre)
    bid = tmp_path / "bid.asice"
    bid.write_bytes(bytes(9 * 1024 * 1024))
    page.locator("[name=bid]").set_input_files(bid)

    expect(page.locator("[data-upload-words]")).to_have_text("上传完成：bid.asice，9.0 MB", timeout=15_000)
    assert page.locator("[name=bid_upload]").input_value() == "/uploads/7f"
    assert sum(received) == 9 * 1024 * 1024
    assert len(received) == 3
    assert not cuts
    page.context.close()


def test_paper_shows_the_proof_unfolded_and_no_controls(browser, address):
    page = opened(browser, address)
    proof = page.locator(".proof-facts").first
    expect(proof).not_to_be_visible()

    page.emulate_media(media="print")

    expect(proof).to_be_visible()
    expect(page.locator(".switches")).not_to_be_visible()
    page.context.close()


def test_a_hall_shows_itself_again_when_its_moment_comes(browser, address):
    page = opened(browser, address)
    page.evaluate(
        """() => {
            const [left] = document.querySelectorAll("[data-part=countdown]");
            const soon = left.cloneNode();
            soon.dataset.reload = "";
            soon.dataset.deadline = new Date(Date.now() + 700).toISOString();
            left.after(soon);
            window.before = true;
        }"""
    )

    with page.expect_navigation(timeout=5000):
        expect(page.locator("#status")).to_have_text("时间已到")

    assert page.evaluate("window.before") is None
    page.context.close()
