"""The words of the pages: money, moments, states, navigation; and every macro on kit.html."""

import re
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest
from flask import g
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app import pages
from ca.rights import Actor, Role, allow, public
from storage import clock
from storage.forms import NotFilledIn
from storage.values import Money
from tests.app import example

NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
PARTS = Path(pages.__file__).parent / "static" / "parts"


@pytest.fixture
def app():
    return example.application(NOON)


@pytest.fixture
def zh(app):
    with app.test_request_context("/?lang=zh"):
        yield app


@pytest.fixture
def en(app):
    with app.test_request_context("/?lang=en&page=2"):
        yield app


@pytest.fixture
def at_noon():
    clock.set_to(NOON)
    yield
    clock.real()


@pytest.mark.parametrize(
    ("fen", "words"),
    [(123_456_789, "1,234,567.89"), (5, "0.05"), (-120, "-1.20"), (100_000, "1,000.00"), (0, "0.00")],
)
def test_yuan_groups_thousands_and_always_shows_fen(fen, words):
    assert pages.yuan(Money(fen)) == words


def test_money_is_spoken_in_the_language_of_the_page(app):
    with app.test_request_context("/?lang=zh"):
        assert pages.money(Money(123_450)) == "1,234.50 元"
    with app.test_request_context("/?lang=en"):
        assert pages.money(Money(123_450)) == "CNY 1,234.50"
        assert pages.money(None) == "—"


def test_uppercase_writes_what_the_law_writes():
    assert pages.uppercase(Money(1_001_005)) == "壹万零壹拾元零伍分"
    assert pages.uppercase(Money(10_000)) == "壹佰元整"


def test_the_page_and_the_server_write_the_same_capitals():
    told = re.findall(r'"([0-9.]+)": "([^"]+)"', (PARTS.parents[2] / "tests/static/uppercase.test.mjs").read_text())

    assert len(told) > 10
    assert [(amount, pages.uppercase(Money.yuan(amount))) for amount, _ in told] == told


def test_moments_are_beijing_time_with_the_weekday(app):
    late = datetime(2026, 11, 22, 20, 3, 9, tzinfo=UTC)
    with app.test_request_context("/?lang=zh"):
        assert pages.moment(late) == "2026年11月23日 周一 04:03"
        assert pages.moment(late, seconds=True) == "2026年11月23日 周一 04:03:09"
        assert pages.day(date(2026, 11, 22)) == "2026年11月22日 周日"
    with app.test_request_context("/?lang=en"):
        assert pages.moment(late) == "Mon 23 Nov 2026 04:03"
        assert pages.moment(None) == "—"
    assert pages.iso(late) == "2026-11-23T04:03:09+08:00"
    assert pages.local_input(late) == "2026-11-23T04:03"


def test_a_moment_without_a_zone_is_a_bug(zh):
    with pytest.raises(AssertionError):
        pages.moment(datetime(2026, 11, 22))  # noqa: DTZ001


@pytest.mark.parametrize(
    ("away", "zh_words", "en_words"),
    [
        (timedelta(days=2, hours=3, minutes=59), "2 天 3 小时后", "in 2 days 3 hours"),
        (timedelta(days=1), "1 天后", "in 1 day"),
        (timedelta(minutes=-5), "5 分钟前", "5 minutes ago"),
        (timedelta(seconds=61), "1 分钟 1 秒后", "in 1 minute 1 second"),
        (timedelta(days=3, minutes=4), "3 天后", "in 3 days"),
    ],
)
def test_relative_says_the_two_largest_units(app, monkeypatch, away, zh_words, en_words):
    monkeypatch.setattr(clock, "now", lambda: NOON)
    with app.test_request_context("/?lang=zh"):
        assert pages.relative(NOON + away) == zh_words
    with app.test_request_context("/?lang=en"):
        assert pages.relative(NOON + away) == en_words


class Stage(StrEnum):
    DRAFT = "draft"
    OPEN = "open"
    FAILED = "failed"


class Thing:
    STATE_NAMES = {Stage.DRAFT: "草稿", Stage.OPEN: "报名中", Stage.FAILED: "已终止"}
    state = Stage.DRAFT


def test_a_state_is_named_in_the_language_of_the_page(app):
    with app.test_request_context("/?lang=zh"):
        assert pages.state_name(Thing()) == "草稿"
    with app.test_request_context("/?lang=en"):
        assert pages.state_name(Thing()) == "Draft"


def test_a_states_look_follows_its_value_unless_the_row_says_more():
    assert [pages.state_tone(stage) for stage in Stage] == ["quiet", "open", "stop"]
    assert pages.state_tone(Stage.OPEN, {Stage.OPEN: "wait"}) == "wait"


def test_no_state_has_two_looks():
    values = [value for states in pages.TONES.values() for value in states]

    assert len(values) == len(set(values))


@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,8}", fullmatch=True), st.text(max_size=20)))
def test_attributes_can_carry_anything_and_break_nothing(attributes):
    markup = str(pages.flat(attributes))

    assert "<" not in markup
    assert ">" not in markup
    assert markup.count('"') == 2 * len(attributes)


def test_absent_attributes_are_left_out():
    assert str(pages.flat({"id": None, "hidden": False, "required": True, "min": 0})) == ' required min="0"'


def test_the_other_language_keeps_the_rest_of_the_address(en):
    assert pages.language_switch() == ("zh-CN", "中文", "/?page=2&lang=zh")


@pytest.mark.parametrize(
    ("actor", "shown"),
    [
        (None, ["首页"]),
        (Actor(person_id=1, roles=frozenset({Role.BIDDER})), ["首页", "消息"]),
        (Actor(person_id=2, roles=frozenset({Role.SUPERVISOR})), ["首页", "监督", "消息"]),
    ],
)
def test_navigation_shows_only_doors_that_open(app, actor, shown):
    doors = {"portal.home": public, "supervision.index": allow(Role.SUPERVISOR), "messages.index": allow()}
    for endpoint, label in doors.items():
        app.view_functions[endpoint] = label(lambda: "")
    with app.test_request_context("/"):
        g.actor = actor
        assert [place.name for place in pages.places()] == shown


# --- forms after a refusal -----------------------------------------------------------------------------------


def macro(app, text, **facts):
    imports = '{% from "macros/form.html" import field, form, error_summary %}'
    return app.jinja_env.from_string(imports + text).render(**facts)


def test_a_field_keeps_what_was_typed_and_says_what_is_wrong(zh):
    g.refusal = NotFilledIn({"amount": "填写的数太小。"})
    g.given = MultiDict({"amount": '"><script>', "name": "排水管网"})

    wrong = macro(zh, '{{ field("amount", "报价", kind="money", hint="不含税") }}')
    right = macro(zh, '{{ field("name", "名称", value="原名") }}')

    assert 'aria-invalid="true"' in wrong
    assert "填写的数太小。" in wrong
    assert 'aria-describedby="hint-amount error-amount"' in wrong
    assert "<script>" not in wrong
    assert "&lt;script&gt;" in wrong
    assert "aria-invalid" not in right
    assert 'value="排水管网"' in right


def test_without_a_refusal_a_field_shows_what_the_page_offers(zh):
    g.refusal, g.given = None, MultiDict({"name": "别的"})

    assert 'value="原名"' in macro(zh, '{{ field("name", "名称", value="原名") }}')
    assert macro(zh, "{{ error_summary() }}").strip() == ""


def test_choices_and_ticks_keep_their_choice(zh):
    g.refusal = NotFilledIn({"name": "请填写这一项。"})
    g.given = MultiDict([("way", "b"), ("papers", "a"), ("papers", "c")])
    options = [("a", "甲"), ("b", "乙"), ("c", "丙")]

    radios = macro(zh, '{{ field("way", "方式", kind="radios", value="a", options=options) }}', options=options)
    select = macro(zh, '{{ field("way", "方式", kind="select", options=options) }}', options=options)
    checks = macro(zh, '{{ field("papers", "资质", kind="checks", options=options) }}', options=options)
    tick = macro(zh, '{{ field("agree", "同意", kind="checkbox", value=True) }}')

    assert re.findall(r'value="(\w)" checked', radios) == ["b"]
    assert re.findall(r'value="(\w)" selected', select) == ["b"]
    assert re.findall(r'value="(\w)" checked', checks) == ["a", "c"]
    assert "checked" not in tick


def test_a_password_is_never_shown_again(zh):
    g.refusal, g.given = NotFilledIn({"login": "请填写这一项。"}), MultiDict({"password": "geheim"})

    assert "geheim" not in macro(zh, '{{ field("password", "口令", kind="password") }}')


def test_the_summary_links_to_every_wrong_field(zh):
    g.refusal = NotFilledIn({"name": "请填写这一项。", "way": "请从列出的选项中选择。"})

    summary = macro(zh, '{{ error_summary({"name": "名称"}) }}')

    assert re.findall(r'href="#field-(\w+)"', summary) == ["name", "way"]
    assert "名称：请填写这一项。" in summary
    assert "not_filled_in" in summary


def test_a_form_carries_the_mark_and_its_own_address(app):
    with app.test_request_context("/projects/new?lang=zh"):
        html = macro(app, "{% call form(upload=True) %}x{% endcall %}")

    assert 'method="post"' in html
    assert 'action="/projects/new?lang=zh"' in html
    assert 'name="csrf_token"' in html
    assert 'enctype="multipart/form-data"' in html


# --- the page that shows every macro --------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/wrong"])
@pytest.mark.parametrize("language", ["zh", "en"])
def test_kit_needs_no_inline_script_or_style_and_has_no_double_id(app, path, language):
    html = app.test_client().get(f"{path}?lang={language}").get_data(as_text=True)

    ids = re.findall(r'\sid="([^"]+)"', html)
    assert len(ids) == len(set(ids)), sorted(name for name in ids if ids.count(name) > 1)
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert all(re.search(r"\ssrc=", tag) for tag in re.findall(r"<script[^>]*>", html))
    for form in re.findall(r"<form.*?</form>", html, re.S):
        assert "action=" in form
        assert 'method="get"' in form or "csrf_token" in form


def test_every_macro_file_is_on_the_kit_page():
    folder = Path(pages.__file__).parent / "templates"
    kit = (folder / "kit.html").read_text()

    assert {path.name for path in (folder / "macros").glob("*.html")} == set(re.findall(r"macros/([a-z]+\.html)", kit))


def test_every_macro_file_begins_with_its_signatures():
    for path in (Path(pages.__file__).parent / "templates" / "macros").glob("*.html"):
        head = path.read_text().split("#}")[0]
        public = re.findall(r"{% macro (\w+)\(", path.read_text())
        assert head.startswith("{#"), path.name
        assert any(f"{name}(" in head for name in public), path.name


def test_english_pages_have_no_chinese_left(app):
    html = app.test_client().get("/?lang=en").get_data(as_text=True)
    seen = re.sub(r"<[^>]+>", "\n", re.sub(r'<(a|span|p)[^>]*lang="zh-CN"[^>]*>.*?</\1>', "", html, flags=re.S))

    assert [line.strip() for line in seen.split("\n") if re.search(r"[\u4e00-\u9fff]", line)] == []


def test_a_page_that_forgets_the_summary_still_shows_the_refusal(zh):
    page = zh.jinja_env.from_string('{% extends "layout.html" %}{% block content %}<p>here</p>{% endblock %}')
    g.actor, g.refusal = None, NotFilledIn({"name": "请填写这一项。"})
    once = page.render()
    shown = zh.jinja_env.from_string(
        '{% extends "layout.html" %}{% from "macros/form.html" import error_summary %}'
        "{% block content %}{{ error_summary() }}{% endblock %}"
    )
    g.refusal_shown = False

    assert once.count('id="errors"') == 1
    assert once.index('id="errors"') < once.index("here")
    assert shown.render().count('id="errors"') == 1


@pytest.mark.parametrize("status", [403, 404, 409, 422])
def test_error_pages_say_what_to_do_next(zh, status):
    g.actor, g.refusal = None, NotFilledIn({"name": "请填写这一项。"})
    html = zh.jinja_env.get_template("errors/refusal.html").render(status=status)

    assert "回到首页" in html
    assert html.count("<h1") == 1
    assert 'id="errors"' not in html
