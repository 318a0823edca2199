"""规则: each rule with its article, one case that keeps it and one that breaks it."""

from datetime import date, datetime

import pytest

from bidding.tenders import rules
from bidding.tenders.days import Worked
from storage import calendar as table
from storage.values import Money

ALL = [(word, rule) for word in rules.names() for rule in rules.profile(word).rules.values()]
LATEST = {"candidates_after_report", "award_to_contract", "refund_after_trigger", "refund_after_withdrawal"}
MOST = {"most_candidates"}


@pytest.fixture
def days(db):
    table.seed(db)
    return Worked(db)


def kept(rule: rules.Rule, case, days) -> bool:
    """Whether a case keeps a rule, judged as the acts judge."""
    if rule.unit is rules.Unit.COUNT:
        return case["given"] <= rule.value if rule.id in MOST else case["given"] >= rule.value
    if rule.unit is rules.Unit.PERCENT:
        return Money.yuan(case["given"]).fen <= Money.yuan(case["of"]).fen * rule.value // 100
    start, end = (datetime.fromisoformat(case[name]) for name in ("from", "to"))
    if rule.id in LATEST:
        return end <= rules.last(rule, start, days)
    if rule.id == "standstill":
        return end >= rules.last(rule, start, days)
    return end >= rules.earliest(rule, start, days)


@pytest.mark.parametrize(("word", "rule"), ALL, ids=[f"{word}-{rule.id}" for word, rule in ALL])
def test_a_rule_and_its_cases(days, word, rule):
    assert kept(rule, rule.compliant, days)
    assert not kept(rule, rule.violating, days)
    assert rule.text
    assert rule.law
    assert rule.article or rule.kind == "configured"


def test_the_law_is_quoted_where_it_speaks():
    law = rules.profile("tendering")
    assert law["document_to_deadline"].source == "《招标投标法》第二十四条"
    assert all(rule.article for rule in law.rules.values() if rule.kind == "direct")


def test_the_demo_names_the_laws_it_shortens():
    demo = rules.profile("demo")
    assert demo["fewest_bids"] == rules.profile("tendering")["fewest_bids"]
    assert demo["standstill"].article == "第五十四条"


def test_a_period_that_ends_on_a_rest_day_rolls_forward(days):
    rule = rules.profile("tendering")["standstill"]
    start = datetime.fromisoformat("2026-09-29T10:00:00+08:00")  # the third day is in the national holiday
    end = rules.last(rule, start, days).astimezone(rules.SHANGHAI)
    assert end.isoformat() == "2026-10-09T00:00:00+08:00"


def test_a_year_without_a_calendar_is_refused(days):
    with pytest.raises(table.CalendarEnds):
        days.is_working_day(date(2099, 1, 1))
