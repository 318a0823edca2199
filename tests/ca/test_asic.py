"""ASiC containers: ours and stock tools' are read; every crooked ZIP and every uncovered file is refused."""

import io
import json
import shutil
import struct
import subprocess
import zipfile

import pytest

from ca import asic
from ca.asic import ASIC_E, ASIC_S, MANIFEST, SIGNATURE, Container, Manifest
from ca.keys import KeyKind
from ca.signing import sign_bytes
from ca.strict_zip import Archive, BadArchive, Limits, plain_name
from tests.ca.paper import AT, CODE, bidder, cas, lists

KINDS = list(KeyKind)
DOCUMENTS = [("商务标/授权委托书.pdf", b"%PDF-1.7 " + b"x" * 5000), ("price.json", b'{"lot":"1"}'), ("empty.txt", b"")]


def written(documents=DOCUMENTS, kind=KeyKind.ECDSA):
    out, issued = io.BytesIO(), bidder(kind)
    asic.write(out, documents, key=issued.key, certificate=issued.certificate, chain=issued.chain)
    return out.getvalue()


def verify(raw, **wishes):
    known = {"trust": cas().trust, "at": AT, "crls": lists()} | wishes
    return Container(io.BytesIO(raw)).verify(**known)


def packed(*members, **how):
    """A ZIP of (name, content), with zipfile."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **how) as archive:
        for name, content in members:
            archive.writestr(name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name), content)
    return out.getvalue()


def repacked(raw, **changes):
    """The container with members changed (None: left out) or added."""
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()} | changes
    return packed(*((name, content) for name, content in members.items() if content is not None))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_and_good(kind):
    verdict = verify(written(kind=kind))

    assert verdict.good, verdict.as_facts()
    assert [document.name for document in verdict.documents] == [name for name, _ in DOCUMENTS]
    (signature,) = verdict.signatures
    assert set(signature.covers) == {name for name, _ in DOCUMENTS}
    assert signature.verdict.credit_code == CODE
    assert json.loads(json.dumps(verdict.as_facts()))["good"] is True


def test_documents_come_out_as_they_went_in(tmp_path):
    container = Container(io.BytesIO(written()))
    container.save(tmp_path)

    assert {name: (tmp_path / name).read_bytes() for name, _ in DOCUMENTS} == dict(DOCUMENTS)
    assert container.price() == b'{"lot":"1"}'


def test_same_documents_make_the_same_bytes_before_the_signature():
    first, second = (zipfile.ZipFile(io.BytesIO(written())) for _ in range(2))

    assert first.read(MANIFEST) == second.read(MANIFEST)
    assert [m.date_time for m in first.infolist()] == [m.date_time for m in second.infolist()]


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"price.json": b'{"lot":"2"}'}, {"changed"}),
        ({"price.json": None}, {"not_there"}),
        ({"hidden.pdf": b"%PDF"}, {"not_covered", "not_whole"}),
        ({MANIFEST: None}, None),
        ({SIGNATURE: None}, None),
        ({"META-INF/other.bin": b"x"}, None),
        ({"mimetype": b"application/zip"}, None),
    ],
)
def test_one_wrong_thing_is_found(changes, problems):
    raw = repacked(written(), **changes)
    if problems is None:
        with pytest.raises(BadArchive):
            verify(raw)
    else:
        verdict = verify(raw)
        assert not verdict.good
        assert set(verdict.problems) == problems


def test_manifest_signed_by_somebody_unknown():
    verdict = verify(written(), crls=())

    assert verdict.problems == ("signature_not_good",)
    assert verdict.signatures[0].verdict.reasons == ("revocation_missing",)


def manifested(text, name="a.pdf", content=b"x"):
    """A container whose manifest is `text`, well signed."""
    issued = bidder(KeyKind.ECDSA)
    raw = text.encode() if isinstance(text, str) else text
    return packed(
        ("mimetype", ASIC_E.encode()), (name, content), (MANIFEST, raw), (SIGNATURE, sign_bytes(raw, issued.key,
        issued.certificate, issued.chain))
    )  # fmt: skip


GOOD_MANIFEST = Manifest.write(SIGNATURE, [("a.pdf", "application/pdf", __import__("hashlib").sha256(b"x").digest())])


def test_the_manifest_to_be_bent_is_good():
    assert verify(manifested(GOOD_MANIFEST)).good


@pytest.mark.parametrize(
    ("was", "now"),
    [
        (b"<asic:ASiCManifest", b'<!DOCTYPE x [<!ENTITY e "a.pdf">]><asic:ASiCManifest'),
        (b"<asic:ASiCManifest", b"<?php x?><asic:ASiCManifest"),
        (b"a.pdf", b"&e;"),
        (b"a.pdf", b"../a.pdf"),
        (b"a.pdf", b"/a.pdf"),
        (b"a.pdf", b"file:a.pdf"),
        (b"a.pdf", b"%2e%2e/a.pdf"),
        (b"a.pdf", b"META-INF/ASiCManifest.xml"),
        (b"a.pdf", b"mimetype"),
        (b"a.pdf", b"a.pdf#x"),
        (b"xmlenc#sha256", b"xmldsig#sha1"),
        (b"signature001.p7s", b"signature002.p7s"),
        (b"</asic:ASiCManifest>", b"<asic:Other/></asic:ASiCManifest>"),
        (b"</asic:ASiCManifest>", b"</asic:ASiCManifest><more/>"),
        (b"</ds:DigestValue>", b"!</ds:DigestValue>"),
        (b"uri.etsi.org", b"uri.example.org"),
        (b"<?xml", b"<xml"),
        (b"UTF-8", b"UTF-9" + bytes(1)),
        (GOOD_MANIFEST, b""),
        (GOOD_MANIFEST, b"\xff\xfe" + "x".encode("utf-16-le")),
    ],
)
def test_manifest_that_is_not_plain_is_refused(was, now):
    assert was in GOOD_MANIFEST
    with pytest.raises(BadArchive) as no:
        verify(manifested(GOOD_MANIFEST.replace(was, now)))
    assert no.value.fault == "bad_manifest"


def test_doubled_reference_is_refused():
    start, end = GOOD_MANIFEST.index(b"<asic:Data"), GOOD_MANIFEST.index(b"</asic:ASiC")
    with pytest.raises(BadArchive):
        verify(manifested(GOOD_MANIFEST[:end] + GOOD_MANIFEST[start:end] + GOOD_MANIFEST[end:]))


@pytest.mark.parametrize("kind", KINDS)
def test_simple_container(kind):
    issued = bidder(kind)
    signature = sign_bytes(b"the bid", issued.key, issued.certificate, issued.chain)
    raw = packed(("mimetype", ASIC_S.encode()), ("bid.pdf", b"the bid"), ("META-INF/signature.p7s", signature))

    assert verify(raw).good
    assert verify(repacked(raw, **{"bid.pdf": b"another"})).problems == ("signature_not_good",)
    with pytest.raises(BadArchive):
        verify(repacked(raw, **{"second.pdf": b"x"}))


# --------------------------------------------------------------------------------------------- strict ZIP


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.external_attr, entry.create_system = 0o120777 << 16, 3
    return entry


def raw_name(name):
    """An entry with any name at all; zipfile itself mends some."""
    entry = zipfile.ZipInfo("x")
    entry.filename = name
    return entry


def two(first, second):
    return packed((raw_name(first), b"1"), (raw_name(second), b"2"))


PLAIN = packed(("a", b"one"), ("b", b"two"))


def without_warnings(make):
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make()


def patched(raw, *patches):
    out = bytearray(raw)
    for place, value in patches:
        out[place : place + len(value)] = value
    return bytes(out)


CENTRAL = PLAIN.index(b"PK\x01\x02")


def moved(which):
    """PLAIN with hidden bytes before its first or second file, and a directory that fits."""
    place = 0 if which == 1 else PLAIN.index(b"PK\x03\x04", 4)
    raw = bytearray(PLAIN[:place] + b"hidden" + PLAIN[place:])
    second = raw.index(b"PK\x01\x02", raw.index(b"PK\x01\x02") + 4)
    for entry in (raw.index(b"PK\x01\x02"), second):
        (start,) = struct.unpack_from("<I", raw, entry + 42)
        struct.pack_into("<I", raw, entry + 42, start + (6 if start >= place else 0))
    struct.pack_into("<I", raw, len(raw) - 6, CENTRAL + 6)
    with zipfile.ZipFile(io.BytesIO(bytes(raw))) as archive:
        assert archive.testzip() is None, "others read it"
    return bytes(raw)


CROOKED = {
    "empty": (b"", "not_a_zip"),
    "not a zip": (b"%PDF-1.7" * 10, "not_a_zip"),
    "only the end": (PLAIN[-22:], "trailing_bytes"),
    "cut": (PLAIN[:-1], "not_a_zip"),
    "prefixed (polyglot)": (b"#!/bin/sh\n" + PLAIN, "trailing_bytes"),
    "suffixed (polyglot)": (PLAIN + b"%PDF", "not_a_zip"),
    "comment": (PLAIN[:-2] + struct.pack("<H", 5) + b"hello", "not_a_zip"),
    "gap between two files": (moved(2), "trailing_bytes"),
    "gap before the first file": (moved(1), "trailing_bytes"),
    "gap before the directory": (
        patched(PLAIN[:CENTRAL] + b"gap" + PLAIN[CENTRAL:], (len(PLAIN) + 3 - 6, struct.pack("<I", CENTRAL + 3))),
        "trailing_bytes",
    ),
    "other name inside": (patched(PLAIN, (30, b"z")), "two_stories"),
    "other crc inside": (patched(PLAIN, (14, b"\0\0\0\1")), "two_stories"),
    "other size inside": (patched(PLAIN, (22, struct.pack("<I", 2))), "two_stories"),
    "encrypted": (patched(PLAIN, (6, b"\1\0"), (CENTRAL + 8, b"\1\0")), "unsupported"),
    "bzip2": (packed(("a", b"x" * 100), compression=zipfile.ZIP_BZIP2), None),
    "link": (packed((link("a"), b"/etc/passwd")), "not_a_file"),
    "same name": (without_warnings(lambda: packed(("a", b"1"), ("a", b"2"))), "same_name"),
    "same name but for case": (two("A.pdf", "a.pdf"), "same_name"),
    "same name but for width": (two("Ａ.pdf", "a.pdf"), "same_name"),
    "file and folder": (two("a", "a/b"), "same_name"),
    "not NFC": (packed((raw_name("e\u0301.pdf"), b"")), "bad_name"),
    "parent": (packed((raw_name("../a"), b"")), "bad_name"),
    "parent inside": (packed((raw_name("a/../../b"), b"")), "bad_name"),
    "absolute": (packed((raw_name("/etc/passwd"), b"")), "bad_name"),
    "drive": (packed((raw_name("C:/a"), b"")), "bad_name"),
    "backslash": (packed((raw_name("..\\a"), b"")), "bad_name"),
    "empty part": (packed((raw_name("a//b"), b"")), "bad_name"),
    "dot": (packed((raw_name("./a"), b"")), "bad_name"),
    "NUL": (packed((raw_name("a\0.pdf"), b"")), "bad_name"),
    "newline": (packed((raw_name("a\n.pdf"), b"")), "bad_name"),
    "right-to-left": (packed((raw_name("a\u202efdp.exe"), b"")), "bad_name"),
    "zero width": (packed((raw_name("a\u200b.pdf"), b"")), "bad_name"),
    "300 characters": (packed((raw_name("a" * 300), b"")), "bad_name"),
    "trailing dot": (packed((raw_name("a."), b"")), "bad_name"),
    "trailing space": (packed((raw_name("a "), b"")), "bad_name"),
    "empty name": (packed((raw_name(""), b"")), "bad_name"),
    "folder with content": (packed((raw_name("a/"), b"x")), "not_a_file"),
    "bomb": (packed(("a", bytes(8 << 20)), compression=zipfile.ZIP_DEFLATED), None),
}
CROOKED = {name: case for name, case in CROOKED.items() if case[1]}


@pytest.mark.parametrize("case", CROOKED)
def test_crooked_zip_is_refused_with_its_reason(case):
    raw, fault = CROOKED[case]
    with pytest.raises(BadArchive) as no:
        Archive(io.BytesIO(raw))
    assert no.value.fault == fault
    assert "{" not in no.value.sentence()


def compressed(content, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("a", content)
    return out.getvalue()


def test_compressed_files_are_read_and_bombs_are_not():
    text = b"".join(b"line %d\n" % number for number in range(200_000))
    archive = Archive(io.BytesIO(compressed(text)))
    assert b"".join(archive.pieces(archive["a"])) == text

    with pytest.raises(BadArchive) as no:
        Archive(io.BytesIO(compressed(bytes(8 << 20))))
    assert no.value.fault == "bomb"
    with pytest.raises(BadArchive) as no:
        Archive(io.BytesIO(compressed(b"x", zipfile.ZIP_BZIP2)))
    assert no.value.fault == "unsupported"


def test_a_file_that_unpacks_to_more_than_announced_stops_there():
    raw = compressed(b"y" * 100_000)
    central = raw.index(b"PK\x01\x02")
    lying = patched(raw, (22, struct.pack("<I", 1000)), (central + 24, struct.pack("<I", 1000)))
    archive = Archive(io.BytesIO(lying))

    with pytest.raises(BadArchive) as no:
        list(archive.pieces(archive["a"]))
    assert no.value.fault == "damaged"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_no_byte_of_an_archive_may_change_unseen(method):
    """Every changed byte is refused or changes nothing that is read (times and versions)."""
    raw = compressed(b"some content " * 20, method)
    for place in range(len(raw)):
        bad = patched(raw, (place, bytes([raw[place] ^ 0x10])))
        try:
            archive = Archive(io.BytesIO(bad))
            (member,) = archive.members
            content = b"".join(archive.pieces(member))
        except BadArchive:
            continue
        assert (member.name, content) == ("a", b"some content " * 20), place


def test_limits():
    with pytest.raises(BadArchive) as no:
        Archive(io.BytesIO(PLAIN), Limits(files=1))
    assert no.value.fault == "too_many"
    with pytest.raises(BadArchive) as no:
        Archive(io.BytesIO(PLAIN), Limits(total=5))
    assert no.value.fault == "too_large"


def test_large_archives_say_their_sizes_in_zip64(tmp_path):
    """A 4.1 GiB hole of a file: only its ends are looked at here."""
    out = tmp_path / "large.zip"
    entry = zipfile.ZipInfo("small")
    with (
        out.open("wb") as target,
        zipfile.ZipFile(target, "w") as archive,
        archive.open(entry, "w", force_zip64=True) as member,
    ):
        member.write(b"content")
    with out.open("rb") as source:
        archive = Archive(source)
        assert archive.read("small", 100) == b"content"


class Unseekable(io.RawIOBase):
    """A pipe: makes zipfile tell the sizes after the content."""

    def __init__(self, out):
        self.out = out

    def writable(self):
        return True

    def write(self, content):
        return self.out.write(content)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_sizes_told_after_the_content_are_read(method):
    out = io.BytesIO()
    with zipfile.ZipFile(Unseekable(out), "w", method) as archive:
        archive.writestr("a", b"first")
        archive.writestr("b", b"second")
    archive = Archive(io.BytesIO(out.getvalue()))

    assert [b"".join(archive.pieces(member)) for member in archive.members] == [b"first", b"second"]
    place = out.getvalue().index(b"PK\x07\x08") + 5  # in the checksum
    assert out.getvalue()[place] != 0x11
    with pytest.raises(BadArchive):
        Archive(io.BytesIO(patched(out.getvalue(), (place, b"\x11"))))


@pytest.mark.parametrize("name", ["a", "商务标/投标函.pdf", "a-b_c (1).docx", "𠮷.pdf", "a/b/c/d"])
def test_ordinary_names_are_plain(name):
    assert plain_name(name)


@pytest.mark.skipif(not shutil.which("zip"), reason="the zip command is not installed")
def test_container_made_with_openssl_and_zip(tmp_path):
    """docs/bid-format.md by hand: sha256, a manifest in an editor, openssl cms, zip."""
    issued = bidder(KeyKind.RSA)
    (tmp_path / "key.pem").write_bytes(issued.key_pem())
    (tmp_path / "cert.pem").write_bytes(issued.certificate_pem)
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "mimetype").write_bytes(ASIC_E.encode())
    (tmp_path / "META-INF").mkdir()
    documents = []
    for name, content in DOCUMENTS:
        target = tmp_path / name
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
        said = subprocess.run(["openssl", "dgst", "-sha256", "-binary", name], cwd=tmp_path, capture_output=True)
        documents.append((name, "application/octet-stream", said.stdout))
    (tmp_path / MANIFEST).write_bytes(Manifest.write(SIGNATURE, documents))
    subprocess.run(
        ["openssl", "cms", "-sign", "-binary", "-in", MANIFEST, "-signer", "cert.pem", "-inkey", "key.pem",
         "-certfile", "chain.pem", "-outform", "DER", "-cades", "-out", SIGNATURE],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    subprocess.run(["zip", "-X0", "bid.asice", "mimetype"], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(
        ["zip", "-Xr", "bid.asice", "META-INF", *(name for name, _ in DOCUMENTS)],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip

    verdict = verify((tmp_path / "bid.asice").read_bytes())

    assert verdict.good, verdict.as_facts()
