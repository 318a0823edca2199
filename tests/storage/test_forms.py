"""Forms: a checked value, or a sentence for each field that must be mended."""

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, Field
from werkzeug.datastructures import MultiDict

from storage import forms
from storage.values import Money


class Job(BaseModel):
    name: str = Field(max_length=10)
    budget: forms.Yuan
    closes_at: forms.When
    owner: forms.Code
    kinds: list[str] = []
    note: str | None = None


GOOD = {"name": " 勘察 ", "budget": "1,200.50", "closes_at": "2026-12-01T09:30", "owner": "91350100M000100Y43"}


def test_a_good_form_becomes_values():
    job = forms.read(Job, MultiDict([*GOOD.items(), ("kinds", "a"), ("kinds", "b"), ("note", "")]))

    assert (job.name, job.budget, job.note, job.kinds) == ("勘察", Money(120050), None, ["a", "b"])
    assert job.closes_at == datetime(2026, 12, 1, 1, 30, tzinfo=UTC), "without a zone it is Beijing time"


@pytest.mark.parametrize(("wrong", "field", "sentence"), [
    ({"name": "  "}, "name", "请填写这一项。"),
    ({"name": "x" * 11}, "name", "填写的内容太长，请缩短。"),
    ({"budget": "much"}, "budget", "“much”不是金额。请写成 1234.56 的样子，最多两位小数。"),
    ({"closes_at": "soon"}, "closes_at", "“soon”不是时间。请写成 2026-12-01 09:30 的样子（北京时间）。"),
    ({"owner": "123"}, "owner", "“123”不是有效的统一社会信用代码。请核对 18 位代码。"),
])  # fmt: skip
def test_one_wrong_field_is_named_and_nothing_else(wrong, field, sentence):
    with pytest.raises(forms.NotFilledIn) as no:
        forms.read(Job, GOOD | wrong)

    assert no.value.errors == {field: sentence}
    assert str(no.value) == "有 1 处需要改正。"


def test_a_moment_with_a_zone_keeps_it():
    assert forms.moment("2026-12-01T09:30:00+00:00") == datetime(2026, 12, 1, 9, 30, tzinfo=UTC)


def test_what_is_no_moment_is_refused():
    with pytest.raises(forms.NotAMoment):
        forms.moment("tomorrow")
