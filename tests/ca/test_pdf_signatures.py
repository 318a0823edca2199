"""PDFs signed and checked; what is added after a signature; pdfsig as a second opinion."""

import io
import shutil
import subprocess

import pytest
import typst
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

from ca.certificates import Unreadable
from ca.keys import KeyKind
from ca.pdf_signatures import sign_pdf, verify_pdf
from tests.ca.paper import AT, CODE, bidder, cas, lists

KINDS = list(KeyKind)
PLAIN = typst.compile(b"= Letter of award\nOne page.", format="pdf")


def signed(kind, pdf=PLAIN, field="Platform"):
    issued = bidder(kind)
    return sign_pdf(pdf, issued.key, issued.certificate, issued.chain, field=field, reason="中标通知书")


def verify(pdf, **wishes):
    return verify_pdf(pdf, **({"trust": cas().trust, "at": AT, "crls": lists()} | wishes))


@pytest.mark.parametrize("kind", KINDS)
def test_signed_pdf_is_good(kind):
    verdict = verify(signed(kind))

    (one,) = verdict.signatures
    assert verdict.good, verdict.as_facts()
    assert (one.field, one.reason, one.verdict.credit_code, one.last) == ("Platform", "中标通知书", CODE, True)
    assert verdict.as_facts()["good"] is True


def test_pdf_signed_by_three():
    pdf = PLAIN
    for kind in KINDS:
        pdf = signed(kind, pdf, field=f"Sig{kind}")
    verdict = verify(pdf)

    assert verdict.good, verdict.as_facts()
    assert [one.last for one in verdict.signatures] == [False, False, True]
    assert all(one.whole and one.unchanged for one in verdict.signatures)


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_may_change(kind):
    """Every 97th byte: unreadable, or not good; bytes of the room left around the signature included."""
    pdf = signed(kind)
    for place in range(0, len(pdf), 97):
        bad = bytearray(pdf)
        bad[place] ^= 0x01
        try:
            assert not verify(bytes(bad)).good, place
        except Unreadable:
            continue


def turned(pdf):
    """The PDF with its page turned by one more revision."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    page = writer.root["/Pages"]["/Kids"][0]
    page["/Rotate"] = generic.NumberObject(90)
    writer.mark_update(page.container_ref)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_something_added_after_the_signature():
    verdict = verify(turned(signed(KeyKind.RSA)))

    assert not verdict.good
    (one,) = verdict.signatures
    assert (one.unchanged, one.last, one.verdict.good, one.good) == (False, False, True, False)


def test_changed_between_two_signatures():
    """The second signer signs what the first never saw."""
    verdict = verify(signed(KeyKind.ECDSA, turned(signed(KeyKind.RSA)), field="Second"))

    first, second = verdict.signatures
    assert not verdict.good
    assert (first.good, second.good) == (False, True)


def test_bytes_appended():
    verdict_or_none = None
    try:
        verdict_or_none = verify(signed(KeyKind.RSA) + b"\n% something\n")
    except Unreadable:
        return
    assert not verdict_or_none.good


def test_unsigned_pdf_is_not_good():
    assert not verify(PLAIN).good


def test_revocation_counts_here_too():
    (one,) = verify(signed(KeyKind.ECDSA), crls=()).signatures

    assert one.verdict.reasons == ("revocation_missing",)
    assert not one.good


@pytest.mark.parametrize("raw", [b"", b"%PDF-1.7", b"junk" * 100, PLAIN[:-200]])
def test_what_is_no_pdf(raw):
    with pytest.raises(Unreadable):
        verify(raw)
    with pytest.raises(Unreadable):
        signed(KeyKind.ECDSA, raw)


@pytest.mark.skipif(not shutil.which("pdfsig"), reason="pdfsig (poppler-utils) is not installed; it cannot read SM2")
@pytest.mark.parametrize("kind", [KeyKind.RSA, KeyKind.ECDSA])
def test_pdfsig_agrees(tmp_path, kind):
    (tmp_path / "a.pdf").write_bytes(signed(kind))

    said = subprocess.run(["pdfsig", "-nocert", "a.pdf"], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert "Signature is Valid." in said.stdout, said.stdout + said.stderr
    assert "Total document signed" in said.stdout
