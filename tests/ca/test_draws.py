import itertools
import math
import os
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.draws import chance, rfc3797
from ca.draws.chance import CannotDraw
from ca.tagged import H, mac
from tests.ca.draw_vectors import CONTRIBUTIONS, COUNTED, ENTRIES, PC, PROJECT, ROOT, SEED
from tests.ca.vectors import outside

TRIALS = int(os.environ.get("GONGHENG_DRAWS", "4000"))  # 1000000 for the long run


def places(drawn):
    return [ENTRIES.index(entry) + 1 for entry in drawn]


def test_vector_1_from_registration_to_order():
    assert ENTRIES[0].hex() == "60439aa4f522620c09eab47ac9c34ab65a7d01f664169531e53c5d59e1535ab1"
    assert ENTRIES[6].hex() == "26847e86604e679356f3b72e4d6f1f9bf21075dae5aed124f0bf001db762ec3c"
    assert ROOT.hex() == "eea1844628d2d254e0de79c75dfd075410065f93c1cd85185eca0c2638b924c0"
    assert PC.hex() == "db448eedac888110ecac817a5dd1f2e68115bedcda0bc2f6861a088a4a97b175"
    assert SEED.hex() == "6c4103d7136954d6474fe25655a0ad678936189e4b78d7cb58fbbe90ca0c63cd"
    drawn = chance.order(SEED, ENTRIES)
    assert places(drawn) == [5, 1, 4, 6, 2, 3, 7]
    first = mac(SEED, "rank", "select", drawn[0])
    assert first.hex() == "0ea9d91d83137a98cc79a863505b21daca3f99fa5f17b30929eca8c8c8e2fa85"


def test_vector_2_weights_ties_and_numbers():
    weights = {entry: weight for weight, entry in enumerate(ENTRIES, 1)}
    assert places(chance.weighted(COUNTED, weights)) == [5, 2, 7, 3, 4, 6, 1]
    assert places(chance.order(COUNTED, ENTRIES, "tie/1")) == [2, 3, 4, 6, 7, 5, 1]
    counts = (1, 2, 6, 7, 1000, 2**32)
    assert [chance.uniform_int(COUNTED, count) for count in counts] == [0, 1, 4, 4, 552, 2317805147]
    assert chance.float_point(COUNTED, ["0.95", "0.96", "0.97", "0.98"]) == "0.97"


def test_vector_3_delay_and_rfc3797():
    checkpoints = chance.delay(COUNTED, 6400)
    assert checkpoints[-1].hex() == "8b584a35f67223f01ebc5e02ce96dd43ccbcef564b3b2ca71e4f31b9aedb9f3b"
    assert chance.delay_is(COUNTED, 6400, checkpoints)
    swapped = [checkpoints[1], checkpoints[0], *checkpoints[2:]]
    assert not chance.delay_is(COUNTED, 6400, swapped)
    assert not chance.delay_is(COUNTED, 6400, checkpoints[:-1])
    sources = [rfc3797.figures(text) for text in ("9319", "2 5 12 8 10", "9 18 26 34 41 45")]
    drawn = [17, 7, 2, 16, 25, 23, 8, 24, 19, 13, 22, 5, 18, 9, 1, 4]
    assert rfc3797.choose(25, 16, sources, rfc3797.held(sources)) == drawn


def test_rfc3797_as_others_computed_it():
    seeds = [line for line in outside("rfc3797/ref.seeds").read_text().splitlines() if line[:1] != "#"]
    results = outside("rfc3797/ref.results").read_text()
    expected = [int(line.split("->")[1].split("<-")[0]) for line in results.splitlines() if "->" in line]
    assert rfc3797.choose(25, 16, [rfc3797.figures(text) for text in seeds]) == expected

    lines = outside("rfc3797/testcase-2012.txt").read_text().splitlines()
    after = {line.split(" ")[0]: lines[i + 1] for i, line in enumerate(lines) if line.endswith(":")}
    sources = [rfc3797.figures(after[word]) for word in ("First", "Second", "Third", "Fourth")]
    start = lines.index("Results:") + 1
    assert rfc3797.choose(134, 12, sources) == [int(line) for line in lines[start : start + 12]]


@pytest.mark.parametrize(
    ("pool", "pick", "sources", "bits"),
    [
        (25, 16, [[7]], rfc3797.held([[7]])),
        (25, 0, [[1]], None),
        (25, 26, [[1]], None),
        (2**16, 1, [[1]], None),
        (25, 1, [], None),
        (25, 1, [[]], None),
    ],
)
def test_rfc3797_refuses_too_little_chance_and_nonsense(pool, pick, sources, bits):
    with pytest.raises(CannotDraw):
        rfc3797.choose(pool, pick, sources, bits)


@pytest.mark.parametrize("text", ["", "x", "1 -2", "１", "1.5"])
def test_figures_are_plain_numbers(text):
    with pytest.raises(CannotDraw):
        rfc3797.figures(text)


@given(st.binary(min_size=32, max_size=32), st.randoms())
def test_the_order_of_entry_does_not_matter(seed, shuffler):
    shuffled = shuffler.sample(ENTRIES, len(ENTRIES))
    assert chance.order(seed, shuffled) == chance.order(seed, ENTRIES)


def test_nothing_and_twice_are_refused():
    for entries in ([], [ENTRIES[0], ENTRIES[0]]):
        with pytest.raises(CannotDraw):
            chance.order(SEED, entries)
    for weights in ({}, {ENTRIES[0]: 0}, {ENTRIES[0]: 999_999, ENTRIES[1]: 2}):
        with pytest.raises(CannotDraw):
            chance.weighted(SEED, weights)
    for count in (0, 2**32 + 1):
        with pytest.raises(CannotDraw):
            chance.uniform_int(SEED, count)
    for iterations in (0, 63, 65):
        with pytest.raises(CannotDraw):
            chance.delay(SEED, iterations)
    with pytest.raises(CannotDraw):
        chance.float_point(SEED, [])
    with pytest.raises(CannotDraw):
        chance.pool_root(PROJECT, dict.fromkeys(ENTRIES, "eligible"), bytes(32), 6)


def test_one_alone_still_goes_through_the_engine():
    assert chance.order(SEED, ENTRIES[:1]) == ENTRIES[:1]
    assert chance.weighted(SEED, {ENTRIES[0]: 1}) == ENTRIES[:1]


def test_purposes_do_not_tell_of_each_other():
    orders = {tuple(chance.order(SEED, ENTRIES, f"tie/{place}")) for place in range(50)}
    assert len(orders) > 45


def test_an_absent_contribution_changes_the_seed():
    seeds = {chance.seed_of(PC, CONTRIBUTIONS)}
    for gone in CONTRIBUTIONS:
        seeds.add(chance.seed_of(PC, {label: r for label, r in CONTRIBUTIONS.items() if label != gone}))
    assert len(seeds) == 4


def chi_square(found, expected):
    return sum((found.get(key, 0) - want) ** 2 / want for key, want in expected.items())


def bound(freedom):
    """χ² at p ≈ 0.0001 by Wilson and Hilferty; the seeds are fixed, so this never flickers."""
    share = 2 / (9 * freedom)
    return freedom * (1 - share + 3.719 * math.sqrt(share)) ** 3


@pytest.mark.parametrize("count", range(1, 9))
def test_every_place_is_equally_likely_for_everyone(count):
    trials, chances = TRIALS, random.Random(count)
    found = Counter()
    for _ in range(trials):
        drawn = chance.order(chances.randbytes(32), range_entries(count))
        found.update((place, entry) for place, entry in enumerate(drawn))
    expected = {(place, entry): trials / count for place in range(count) for entry in range_entries(count)}
    assert chi_square(found, expected) < bound(max(1, (count - 1) ** 2) + count)


def range_entries(count):
    return tuple(H("tie", bytes([i]) * 32) for i in range(count))


@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_order_of_a_few_is_equally_likely(count):
    trials, chances = 20_000, random.Random(40 + count)
    entries = range_entries(count)
    found = Counter(tuple(chance.order(chances.randbytes(32), entries)) for _ in range(trials))
    expected = {order: trials / math.factorial(count) for order in itertools.permutations(entries)}
    assert set(found) == set(expected)
    assert chi_square(found, expected) < bound(len(expected) - 1)


def by_rounding(seed):
    """A float point as a public system drew it: Math.round(Math.random() * 5), the ends half as likely."""
    return round(int.from_bytes(seed[:6]) / 2**48 * 5)


def by_one_too_few(seed):
    """A tie as a public system broke it: nextInt(n - 1), the last can never win."""
    return int.from_bytes(seed) % 5


def by_modulo(seed):
    """A percentage modulo six: small numbers more often."""
    return int.from_bytes(seed) % 100 % 6


def by_the_engine(seed):
    return chance.uniform_int(seed, 6)


@pytest.mark.parametrize(
    ("draw", "fair"), [(by_rounding, False), (by_one_too_few, False), (by_modulo, False), (by_the_engine, True)]
)
def test_known_bad_draws_are_caught_when_planted(draw, fair):
    """The measure has teeth."""
    trials, chances = 120_000, random.Random(7)
    found = Counter(draw(chances.randbytes(32)) for _ in range(trials))
    assert (chi_square(found, dict.fromkeys(range(6), trials / 6)) < bound(5)) is fair


def test_uniform_int_is_uniform():
    for count in (2, 3, 5, 6, 7, 8):
        chances = random.Random(count)
        found = Counter(chance.uniform_int(chances.randbytes(32), count) for _ in range(6000))
        assert chi_square(found, dict.fromkeys(range(count), 6000 / count)) < bound(count - 1)


def test_weights_are_exactly_successive_sampling():
    weights, trials, chances = (1, 2, 5, 12), 6000, random.Random(5)
    entries = range_entries(4)
    weighing = dict(zip(entries, weights, strict=True))
    pairs = Counter()
    for _ in range(trials):
        drawn = chance.weighted(chances.randbytes(32), weighing)
        pairs[drawn[0], drawn[1]] += 1
    expected = {
        (a, b): trials * weighing[a] / 20 * weighing[b] / (20 - weighing[a])
        for a, b in itertools.permutations(entries, 2)
    }
    assert chi_square(pairs, expected) < bound(len(expected) - 1)
