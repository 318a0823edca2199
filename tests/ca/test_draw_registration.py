import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca import canonical, ecdsa, merkle
from ca.draws import registration
from ca.draws.registration import NotRegistration
from ca.sealing import box
from ca.tagged import H
from tests.ca import draw_bundles as draws
from tests.ca.seal_vectors import key

DAY_KEY = draws.DAY_KEY


def made(firm=None, **more):
    return registration.register(draws.PROJECT, firm or draws.firm(1), **more)


def test_a_cell_opens_with_the_day_key_only():
    body, _ = made()
    cell = registration.seal_cell(DAY_KEY, body)

    assert len(cell.raw) == registration.CELL == 2108
    assert registration.open_cell(DAY_KEY, cell.raw) == cell
    assert cell.entry == registration.entry_of(body, cell.salt)
    assert cell.rest == hashlib.sha256(cell.raw[32:]).digest()
    for wrong in (b"\0" * 32, DAY_KEY[:31]):
        with pytest.raises(NotRegistration):
            registration.open_cell(wrong, cell.raw)


@pytest.mark.parametrize("raw", [b"", b"x", bytes(2107), bytes(2109)])
def test_a_cell_has_one_size(raw):
    with pytest.raises(NotRegistration, match="bytes"):
        registration.open_cell(DAY_KEY, raw)


@given(st.integers(0, 2108 * 8 - 1))
def test_every_bit_of_a_cell_counts(bit):
    raw = bytearray(CELL)
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NotRegistration):
        registration.open_cell(DAY_KEY, bytes(raw))


CELL = registration.seal_cell(DAY_KEY, made()[0]).raw


def test_registrations_and_withdrawals_look_the_same():
    """One size, and no byte that says whose it is: with the same salts unlinkable without the key."""
    body, secret = made()
    entry = registration.seal_cell(DAY_KEY, body).entry
    params = draws.draw_params(f"{draws.PROJECT}:select:1")
    quote = box.seal_quote(params, project=draws.PROJECT, firm=draws.firm(1), quote="1234.50")
    bodies = [
        body,
        made(quote=quote)[0],
        registration.withdraw(draws.PROJECT, draws.firm(1), entry, secret=secret),
        registration.withdraw(draws.PROJECT, draws.firm(1), entry, account="journal/7"),
    ]
    for one in bodies:
        cell = registration.seal_cell(DAY_KEY, one)
        assert len(cell.raw) == 2108
        assert draws.firm(1).encode() not in cell.raw


def test_a_registration_with_quote_at_3_of_5_fits_a_cell():
    params = draws.draw_params(f"{draws.PROJECT}:select:1", m=3, n=5)
    quote = box.seal_quote(params, project=draws.PROJECT, firm=draws.firm(1), quote="99999999999.99")
    body, _ = made(quote=quote)
    assert len(canonical.encode(body)) < 2048 - 36
    with pytest.raises(NotRegistration, match="fit"):
        registration.seal_cell(DAY_KEY, body | {"statement_sig": "00" * 512})


def test_the_statement_is_signed_and_covers_everything():
    body, _ = made()
    assert registration.statement_holds(body) is True
    for name, other in (("firm", "X"), ("share", "00" * 32), ("w", "00" * 32), ("project", "Y")):
        assert registration.statement_holds(body | {name: other}) is False
    signer = key("certificate")
    by_cert, _ = made(cert=b"\1" * 32, sign=signer.sign)
    assert registration.statement_holds(by_cert) is None
    signature = bytes.fromhex(by_cert["statement_sig"])
    assert ecdsa.verify(signer.public, registration.statement(by_cert), signature)


def test_only_who_knows_the_secret_withdraws():
    body, secret = made()
    entry = b"\1" * 32
    good = registration.withdraw(draws.PROJECT, draws.firm(1), entry, secret=secret)
    guess = registration.withdraw(draws.PROJECT, draws.firm(1), entry, secret=bytes(32))
    record = registration.withdraw(draws.PROJECT, draws.firm(1), entry, account="journal/7")
    assert registration.withdrawal_holds(good, body) is True
    assert registration.withdrawal_holds(guess, body) is False
    assert registration.withdrawal_holds(record, body) is None
    signed = {name: part for name, part in good.items() if name != "w"} | {"sig": "00" * 64}
    assert registration.withdrawal_holds(signed, body) is False
    assert registration.withdrawal_holds(signed, made(cert=b"\1" * 32, sign=key("c").sign)[0]) is None


@pytest.mark.parametrize(
    "bend",
    [
        {"kind": "other"}, {"more": 1}, {"cert": "00" * 32}, {"share": "00"}, {"w": "AA" * 32}, {"project": "a b"},
        {"firm": ""}, {"statement_sig": ""}, {"quote": {}}, {"quote": "x"},
    ],
)  # fmt: skip
def test_what_is_no_registration(bend):
    body, _ = made()
    with pytest.raises(NotRegistration):
        registration.seal_cell(DAY_KEY, body | bend)


def test_once_is_one_value_per_firm_project_and_generation():
    values = {
        registration.once(DAY_KEY, project, firm, generation)
        for project in ("A", "B")
        for firm in ("F", "G")
        for generation in (0, 1)
    }
    assert len(values) == 8
    assert registration.once(DAY_KEY, "A", "F") in values
    assert registration.once(bytes(32), "A", "F") not in values


def test_the_heads_of_the_log_hide_size_and_root_and_bind_both():
    cells = [registration.seal_cell(DAY_KEY, made(draws.firm(number))[0]) for number in range(5)]
    log = registration.log_tree([cell.raw for cell in cells])
    head = registration.log_head(log.size, log.root)
    assert head != log.root
    assert head != registration.log_head(log.size + 1, log.root)
    leaf = merkle.leaf_hash(registration.log_leaf(cells[3].entry, cells[3].rest))
    assert merkle.includes(leaf, 3, 5, log.path(3), log.root)


def test_cell_vector():
    """Also computed by the second implementation below, from the words of docs/draw-format.md alone."""
    body = {
        "kind": "register", "project": "DZ-2026-0001", "firm": "91510000MA0000001X", "cert": "11" * 32, "w": "22" * 32,
        "share": "33" * 32, "statement_sig": "44" * 64,
    }  # fmt: skip
    cell = registration.seal_cell(b"\x55" * 32, body, salt=b"\x66" * 32, nonce=b"\x77" * 12)
    assert cell.entry.hex() == "1fcb310c719f2a3365b66540714a751414f60fc432c899a8c88918eae8f7f05b"
    assert hashlib.sha256(cell.raw).hexdigest() == "ec70a0044e1ce48b6678362b30da8fec4e6633fed8b8178a9a1626dc8c4f9c35"
    assert registration.statement(body).hex() == "7a125b96bf475571671b9ffe2df44ceb9fed51e736271297c5c0f5bd5c92e149"
    assert H("w", b"\1" * 32) == registration.withdrawal_lock(b"\1" * 32)
