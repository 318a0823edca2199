"""Rules as data: every profile is whole, cites its texts, and shortens nothing but time."""

import pytest

from bidding.supermarket import rules


@pytest.mark.parametrize("name", rules.profiles())
def test_every_profile_says_everything_and_where_from(name):
    the, standard = rules.of(name).written, rules.of(rules.STANDARD).written

    assert the["profile"] == name
    for kind in ("period", "number", "word"):
        assert set(the[kind]) == set(standard[kind])
        assert all(rule["article"] for rule in the[kind].values())


def test_the_demo_differs_in_periods_alone():
    demo, standard = rules.of("demo").written, rules.of(rules.STANDARD).written

    assert demo["number"] == standard["number"]
    assert demo["word"] == standard["word"]
    assert {rule["unit"] for rule in demo["period"].values()} == {"seconds"}
    assert rules.of("demo").hash != rules.of(rules.STANDARD).hash


def test_an_unknown_profile_is_refused():
    with pytest.raises(rules.NoSuchProfile):
        rules.of("../secrets")
