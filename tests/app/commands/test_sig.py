"""The commands at a terminal: exit codes, both languages, JSON."""

import io
import json
from datetime import timedelta

import pytest
import typst
from asn1crypto import pem
from click.testing import CliRunner

from app.commands import bid_sign, sig
from bidding.tenders.price import read_price
from ca import asic, revocation, signatures, strict_zip
from ca.asic import Container
from ca.keys import KeyKind
from ca.pdf_signatures import sign_pdf
from tests.ca.paper import AT, CODE, NAME, bidder, cas, lists

KINDS = list(KeyKind)
MOMENT = AT.isoformat()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with trust/, chain/, crl/, a file and everybody's keys."""
    folder = tmp_path_factory.mktemp("cas")
    for name in ("trust", "chain", "crl"):
        (folder / name).mkdir()
    for kind, ca in cas().by_kind.items():
        (folder / "trust" / f"{kind}.pem").write_bytes(ca.root.to_pem())
        (folder / "trust" / f"{kind}.toml").write_text(f'kinds = ["{kind}"]\n')
        (folder / "chain" / f"{kind}.pem").write_bytes(ca.issuing.to_pem())
        (folder / f"{kind}.pem").write_bytes(bidder(kind).key_pem())
        (folder / f"{kind}.crt").write_bytes(bidder(kind).certificate_pem + bidder(kind).chain_pem)
    for number, der in enumerate(lists()):
        (folder / "crl" / f"{number}.crl").write_bytes(der if number % 2 else pem.armor("X509 CRL", der))
    (folder / "letter.txt").write_bytes(b"a letter")
    return folder


def run(command, *words):
    return CliRunner().invoke(command, [str(word) for word in words])


def checked(place, signature, *more, crl=True):
    crls = ["--crl", place / "crl"] if crl else []
    return run(
        sig.sig, "verify", signature, "--content", place / "letter.txt", "--trust", place / "trust", *crls, *more
    )


@pytest.fixture(scope="module", params=KINDS)
def signature(request, place):
    kind = request.param
    made = run(sig.sig, "make", place / "letter.txt", "--key", place / f"{kind}.pem", "--cert", place / f"{kind}.crt",
               "-o", place / f"{kind}.p7s")  # fmt: skip
    assert made.exit_code == 0, made.output
    return place / f"{kind}.p7s"


def test_good_signature_exits_0_in_both_languages(place, signature):
    chinese = checked(place, signature, "--at", MOMENT)
    english = checked(place, signature, "--at", MOMENT, "--lang", "en")

    assert chinese.exit_code == english.exit_code == 0, chinese.output
    assert "签名核验：通过" in chinese.output
    assert f"{NAME} ({CODE})" in chinese.output
    assert "Signature：good" in english.output
    assert not any("\u4e00" <= letter <= "\u9fff" for line in english.output.splitlines()
                   for letter in line.partition("：")[0])  # fmt: skip


def test_json_says_everything(place, signature):
    said = json.loads(checked(place, signature, "--at", MOMENT, "--json").output)

    assert said["good"] is True
    assert (said["holder"], said["credit_code"], said["revocation"]) == (NAME, CODE, "good")
    assert said["reasons"] == []


@pytest.mark.parametrize(
    ("more", "crl", "reason"),
    [
        (["--at", (AT + timedelta(days=4000)).isoformat()], True, "expired"),
        (["--at", (AT - timedelta(days=4000)).isoformat()], True, "not_yet_valid"),
        (["--at", MOMENT], False, "revocation_missing"),
        (["--at", (AT + timedelta(days=60)).isoformat()], True, "revocation_stale"),
    ],
)
def test_not_good_exits_1_and_says_why(place, signature, more, crl, reason):
    plain, said = checked(place, signature, *more, crl=crl), checked(place, signature, *more, "--json", crl=crl)

    assert plain.exit_code == said.exit_code == 1
    assert f"[{reason}]" in plain.output
    assert reason in json.loads(said.output)["reasons"]
    assert json.loads(said.output)["good"] is False


def test_policy_may_be_relaxed_for_one_check(place, signature):
    assert checked(place, signature, "--at", MOMENT, "--revocation", "when_known", crl=False).exit_code == 0


def test_changed_content_exits_1(place, signature, tmp_path):
    (tmp_path / "other").write_bytes(b"another letter")
    said = run(sig.sig, "verify", signature, "--content", tmp_path / "other", "--trust", place / "trust", "--crl",
               place / "crl", "--at", MOMENT)  # fmt: skip

    assert said.exit_code == 1
    assert "[content_changed]" in said.output


def test_unreadable_exits_2(place, tmp_path):
    (tmp_path / "junk.p7s").write_bytes(b"junk")
    (tmp_path / "empty").mkdir()

    junk = checked(place, tmp_path / "junk.p7s", "--lang", "en")
    assert junk.exit_code == 2
    assert "not a signature file" in junk.output
    assert checked(place, tmp_path / "no-such-file").exit_code == 2
    nobody = run(sig.sig, "verify", tmp_path / "junk.p7s", "--content", place / "letter.txt", "--trust",
                 tmp_path / "empty")  # fmt: skip
    assert nobody.exit_code == 2
    assert run(sig.sig, "verify", tmp_path / "junk.p7s", "--content", place / "letter.txt", "--trust", place / "trust",
               "--at", "yesterday").exit_code == 2  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_certificate_is_shown_and_checked(place, kind):
    shown = run(sig.cert, "show", place / f"{kind}.crt", "--json")
    assert shown.exit_code == 2, "two certificates in one file are not one"

    (place / "one.pem").write_bytes(bidder(kind).certificate_pem)
    shown = json.loads(run(sig.cert, "show", place / "one.pem", "--json").output)
    assert (shown["holder"], shown["credit_code"], shown["key"]) == (NAME, CODE, kind.value)
    assert NAME in run(sig.cert, "show", place / "one.pem", "--lang", "en").output

    words = ["verify", place / "one.pem", "--trust", place / "trust", "--crl", place / "crl", "--at", MOMENT]
    good = run(sig.cert, *words, "--chain", place / "chain", "--json")
    assert (good.exit_code, json.loads(good.output)["good"]) == (0, True)
    alone = run(sig.cert, *words)
    assert alone.exit_code == 1
    assert "[unknown_ca]" in alone.output


@pytest.mark.parametrize("kind", KINDS)
def test_bid_is_made_checked_and_signed(place, tmp_path, kind):
    (tmp_path / "documents" / "商务标").mkdir(parents=True)
    (tmp_path / "documents" / "商务标" / "投标函.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "documents" / ".hidden").write_bytes(b"x")
    key = ["--key", place / f"{kind}.pem", "--cert", place / f"{kind}.crt"]
    made = run(bid_sign.make, tmp_path / "documents", "-o", tmp_path / "bid.asice", "--opening", "GH-1", "--price",
               "1234567.89", "--say", "period=90", *key)  # fmt: skip
    assert made.exit_code == 0, made.output

    raw = (tmp_path / "bid.asice").read_bytes()
    container = Container(io.BytesIO(raw))
    assert container.documents == ("price.json", "商务标/投标函.pdf")
    form = read_price(container.price(), opening="GH-1", lot="1", bidder=CODE, seq=1)
    assert (str(form.price), form.fields["period"]) == ("1234567.89", "90")

    words = [tmp_path / "bid.asice", "--trust", place / "trust", "--crl", place / "crl", "--at", MOMENT]
    assert run(sig.asic, "verify", *words).exit_code == 0
    assert json.loads(run(sig.asic, "verify", *words, "--json").output)["good"] is True
    (tmp_path / "bid.asice").write_bytes(raw[:-1])
    assert run(sig.asic, "verify", *words).exit_code == 2

    (tmp_path / "bid.sealed").write_bytes(b"GHSEAL2\n")
    assert run(bid_sign.sign, tmp_path / "bid.sealed", *key).exit_code == 0
    said = run(sig.sig, "verify", tmp_path / "bid.sealed.p7s", "--content", tmp_path / "bid.sealed", "--trust",
               place / "trust", "--crl", place / "crl", "--at", MOMENT)  # fmt: skip
    assert said.exit_code == 0, said.output


def test_locked_keys(place, tmp_path):
    issued = bidder(KeyKind.RSA)
    (tmp_path / "me.p12").write_bytes(issued.pkcs12(b"secret"))
    (tmp_path / "password").write_text("secret\n")
    words = ["make", place / "letter.txt", "--key", tmp_path / "me.p12", "-o", tmp_path / "out.p7s"]

    assert run(sig.sig, *words).exit_code == 2
    assert run(sig.sig, *words, "--password-file", tmp_path / "password").exit_code == 0
    assert checked(place, tmp_path / "out.p7s", "--at", MOMENT).exit_code == 0


def test_pdf(place, tmp_path):
    issued = bidder(KeyKind.RSA)
    plain = typst.compile(b"one page", format="pdf")
    (tmp_path / "plain.pdf").write_bytes(plain)
    (tmp_path / "signed.pdf").write_bytes(sign_pdf(plain, issued.key, issued.certificate, issued.chain, field="One"))
    (tmp_path / "junk.pdf").write_bytes(b"junk")
    words = ["--trust", place / "trust", "--crl", place / "crl", "--at", MOMENT]

    good = run(sig.sig, "pdf", tmp_path / "signed.pdf", *words, "--lang", "en")
    assert good.exit_code == 0, good.output
    assert "Covers the whole file as it then was：yes" in good.output
    assert json.loads(run(sig.sig, "pdf", tmp_path / "signed.pdf", *words, "--json").output)["good"] is True
    assert run(sig.sig, "pdf", tmp_path / "plain.pdf", *words).exit_code == 1
    assert run(sig.sig, "pdf", tmp_path / "junk.pdf", *words).exit_code == 2


def test_everything_that_is_said_has_its_english():
    said = {*signatures.REASON_NAMES.values(), *asic.PROBLEM_NAMES.values(), *strict_zip.FAULTS.values(),
            *revocation.REVOCATION_NAMES.values()}  # fmt: skip

    assert said - set(sig._english()) == set()
