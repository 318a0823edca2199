import itertools
from dataclasses import replace

import pytest

from ca import canonical
from ca.sealing import box
from ca.sealing.faults import Fault, ParamsWrong
from tests.ca.draw_bundles import PROJECT, draw_params, firm
from tests.ca.seal_vectors import key, opening, team

PARAMS = draw_params(f"{PROJECT}:select:1", m=2, n=4)
SCALARS = {place: key(f"{PARAMS.opening}/holder{place + 1}").scalar for place in range(4)}
TEAMS = list(itertools.combinations(range(4), 2))


def verdict(act, *arguments, **named):
    try:
        return act(*arguments, **named)
    except Fault as fault:
        return fault.code, fault.culprit


def test_every_team_opens_the_same_contribution():
    made = box.contribute(PARAMS, "owner")
    opened = {box.open_box(made.box, PARAMS, "owner", team(SCALARS, places)) for places in TEAMS}
    assert opened == {made.r}
    assert made.r.hex() not in repr(made)
    assert made.r not in made.box


def test_a_replacement_uses_nothing_again():
    first, second = box.contribute(PARAMS, "owner", 1), box.contribute(PARAMS, "owner", 2)
    assert first.r != second.r
    one, two = canonical.ascii_decode(first.box), canonical.ascii_decode(second.box)
    assert all(one[name] != two[name] for name in ("seq", "salt", "cc", "E", "teams"))


def bent(**changes):
    fields = canonical.ascii_decode(box.contribute(PARAMS, "owner").box) | changes
    return canonical.ascii_encode({name: part for name, part in fields.items() if part is not None})


@pytest.mark.parametrize(
    "raw",
    [
        bent(bidder="platform"), bent(lot="quote"), bent(lot="1"), bent(params="00" * 32), bent(seq=2), bent(v=3),
        bent(salt="00" * 32), bent(cc="00" * 32), bent(E=key("x").public.hex()), bent(E="02" + "ff" * 32),
        bent(teams="00" * 192), bent(teams="00" * 32), bent(size=128), bent(cc=None), b"", b"{}", b"\xff",
        bent() + b" ", bent(seq=0),
    ],
)  # fmt: skip
def test_a_box_that_is_not_right_is_void_for_every_team(raw):
    verdicts = {verdict(box.open_box, raw, PARAMS, "owner", team(SCALARS, places)) for places in TEAMS}
    assert verdicts == {("VOID", "contributor/owner")}


@pytest.mark.parametrize(
    "raw",
    [
        box.contribute(PARAMS, "platform").box,
        box.contribute(replace(PARAMS, release_until="2026-12-01T00:00:00Z"), "owner").box,
    ],
)
def test_a_sound_box_of_another_label_or_opening_is_void(raw):
    """Sealed rightly, to the same keys, and still not the box that was asked for."""
    verdicts = {verdict(box.open_box, raw, PARAMS, "owner", team(SCALARS, places)) for places in TEAMS}
    assert verdicts == {("VOID", "contributor/owner")}


def rightly_sealed(content, *, padding=b"", **changes):
    """A client that seals rightly but whatever it likes."""
    salt, kc = b"\1" * 32, b"\2" * 32
    seq = changes.get("seq", 1)
    ctx = box.lock.context(bidder=firm(1), lot="quote", params=PARAMS.digest, salt=salt, seq=seq)
    closed = box.lock.close(PARAMS, ctx, kc)
    fields = box.header_fields(PARAMS, lot="quote", bidder=firm(1), seq=seq, salt=salt, closed=closed)
    fields |= {"size": 128} | changes
    raw = canonical.ascii_encode(fields)
    plain = (len(content).to_bytes(8) + content).ljust(128 - len(padding), b"\0") + padding
    sealed = box.AESGCM(box.lock.content_key(b"", kc, ctx, raw)).encrypt(box.nonce(0, last=True), plain, None)
    return {"h": fields, "ct": sealed.hex()}


def test_what_is_rightly_sealed_but_not_a_quote_is_void():
    content = canonical.ascii_encode({"firm": firm(1), "project": PROJECT, "quote": "1.00"})
    assert opened(rightly_sealed(content)) == "1.00"
    listed = canonical.ascii_encode(["firm", "project", "quote"])
    for void in (
        rightly_sealed(content, seq=2), rightly_sealed(content, size=256), rightly_sealed(content, padding=b"2.00"),
        rightly_sealed(listed), rightly_sealed(content + b" "),
    ):  # fmt: skip
        assert opened(void) == VOID


def test_a_false_key_names_its_holder_not_the_contributor():
    made = box.contribute(PARAMS, "owner")
    lie = {0: SCALARS[0], 1: key("lie").scalar}
    assert verdict(box.open_box, made.box, PARAMS, "owner", lie) == ("FALSE_KEY", "holder/H2")


def test_boxes_are_for_draws_only():
    params, _ = opening()
    with pytest.raises(ParamsWrong):
        box.contribute(params, "owner")
    with pytest.raises(ParamsWrong):
        box.seal_quote(params, project=PROJECT, firm=firm(1), quote="1")


def quoted(quote="1234.50"):
    return box.seal_quote(PARAMS, project=PROJECT, firm=firm(1), quote=quote)


def opened(sealed, places=(0, 1), project=PROJECT, by=None):
    return verdict(box.open_quote, sealed, PARAMS, project=project, firm=by or firm(1), scalars=team(SCALARS, places))


def test_every_team_reads_the_same_quote():
    sealed = quoted()
    assert {opened(sealed, places) for places in TEAMS} == {"1234.50"}
    assert len(bytes.fromhex(sealed["ct"])) == 144
    assert sealed["h"]["size"] == 128
    assert len(canonical.encode(quoted("1"))) == len(canonical.encode(quoted("9999999.99"))), "size tells nothing"


VOID = ("VOID", f"contributor/{firm(1)}")


def test_a_quote_of_another_firm_or_project_is_void():
    sealed = quoted()
    assert opened(sealed, by=firm(2)) == ("VOID", f"contributor/{firm(2)}")
    assert opened(sealed, project="DZ-2026-0008") == VOID
    renamed = {"h": sealed["h"] | {"bidder": firm(2)}, "ct": sealed["ct"]}
    assert opened(renamed, by=firm(2)) == ("VOID", f"contributor/{firm(2)}")


@pytest.mark.parametrize(
    "bend",
    [
        lambda sealed: sealed.update(ct="00" * 144), lambda sealed: sealed.update(ct="00"),
        lambda sealed: sealed.pop("ct"),
        lambda sealed: sealed.update(more=1), lambda sealed: sealed["h"].update(size=256),
        lambda sealed: sealed["h"].update(seq=2), lambda sealed: sealed["h"].update(lot="draw"),
        lambda sealed: sealed["h"].update(teams="00" * 192), lambda sealed: sealed["h"].update(cc="é"),
        lambda sealed: sealed.update(h=None), lambda sealed: sealed["h"].update(salt="00" * 32),
    ],
)  # fmt: skip
def test_a_quote_that_is_not_right_is_void_for_every_team(bend):
    sealed = quoted()
    bend(sealed)
    assert {opened(sealed, places) for places in TEAMS} == {VOID}


@pytest.mark.parametrize(
    "content", [b'{"firm":"x"}', b"x" * 120, b"\xff" * 9, b'{"firm":"F","project":"P","quote":"1e3"}']
)
def test_content_that_is_no_quote_is_void(content):
    """A client that seals rightly but says nonsense inside."""
    sealed = quoted()
    scalars = team(SCALARS, (0, 1))
    header = box.read_quote(sealed, PARAMS, firm(1))
    kc = box.lock.open_with(PARAMS, header.ctx, header.lock, scalars)
    key_ = box.lock.content_key(b"", kc, header.ctx, header.raw)
    plain = (len(content).to_bytes(8) + content).ljust(128, b"\0")
    sealed["ct"] = box.AESGCM(key_).encrypt(box.nonce(0, last=True), plain, None).hex()
    assert opened(sealed) == VOID
    too_long = (121).to_bytes(8).ljust(128, b"\0")
    sealed["ct"] = box.AESGCM(key_).encrypt(box.nonce(0, last=True), too_long, None).hex()
    assert opened(sealed) == VOID


@pytest.mark.parametrize("quote", ["", "-1", "1.", ".5", "01", "1e3", "1,000", "１", "9" * 120])
def test_only_a_plain_decimal_is_sealed(quote):
    with pytest.raises(ParamsWrong):
        quoted(quote)
