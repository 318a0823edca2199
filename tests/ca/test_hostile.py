"""Foreign bytes: every reader survives anything with one exception type, and reads large things in little room."""

import contextlib
import io
import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ca import receipts
from ca.asic import Container, Manifest
from ca.certificates import Unreadable, read
from ca.keyfiles import CannotOpenKey, KeyWithoutCertificate
from ca.keyfiles import read as read_key
from ca.keys import KeyKind
from ca.revocation import read_lists
from ca.signatures import verify_detached
from ca.signing import sign_bytes
from ca.strict_zip import Archive, BadArchive
from storage.refusals import NotValid
from tests.ca.paper import AT, bidder, cas, lists
from tests.ca.test_asic import GOOD_MANIFEST, written

KINDS = list(KeyKind)
CONTENT = b"content"


def signature(kind):
    issued = bidder(kind)
    return sign_bytes(CONTENT, issued.key, issued.certificate, issued.chain)


def check(raw):
    return verify_detached(raw, io.BytesIO(CONTENT), trust=cas().trust, at=AT, crls=lists())


def manifest(raw):
    return Manifest.read(raw)


def archive(raw):
    found = Archive(io.BytesIO(raw))
    for member in found.members:
        for _ in found.pieces(member):
            pass


def container(raw):
    return Container(io.BytesIO(raw)).verify(trust=cas().trust, at=AT, crls=lists())


SAMPLES = {
    "certificate": (read, [bidder(kind).certificate.der for kind in KINDS]),
    "list": (read_lists, list(lists())),
    "signature": (check, [signature(kind) for kind in KINDS]),
    "manifest": (manifest, [GOOD_MANIFEST]),
    "archive": (archive, [written()]),
    "container": (container, [written()]),
    "key file": (read_key, [bidder(KeyKind.RSA).pkcs12(b"x"), bidder(KeyKind.SM2).key_pem(b"secret")]),
    "receipt": (receipts.read, [b'{"content":{},"name":"receipt","platform":"","signature":""}']),
}
EXPECTED = (Unreadable, CannotOpenKey, KeyWithoutCertificate, BadArchive)


@pytest.mark.parametrize("reader", SAMPLES)
def test_one_exception_type(reader):
    """Random bytes, and good ones bent: cut, lengthened, bytes changed, blocks moved."""
    read_it, samples = SAMPLES[reader]

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def bent(data):
        raw = bytearray(data.draw(st.one_of(st.binary(max_size=200), st.sampled_from(samples))))
        for _ in range(data.draw(st.integers(0, 4))):
            place = data.draw(st.integers(0, len(raw)))
            match data.draw(st.sampled_from(["change", "cut", "insert", "move"])):
                case "change" if place < len(raw):
                    raw[place] = data.draw(st.integers(0, 255))
                case "cut":
                    del raw[place : place + data.draw(st.integers(1, 40))]
                case "insert":
                    raw[place:place] = data.draw(st.binary(min_size=1, max_size=20))
                case "move":
                    raw = raw[place:] + raw[:place]
        with contextlib.suppress(*EXPECTED):
            read_it(bytes(raw))

    assert all(issubclass(kind, NotValid) for kind in EXPECTED)
    bent()


MEASURE = """
import json, resource, sys, tempfile
from tests.ca.paper import AT, bidder, cas, lists
from ca.keys import KeyKind
from ca.signatures import verify_detached
from ca.signing import sign_detached, sign_without_attributes

room = {}
with tempfile.TemporaryFile() as content:
    for size in (1 << 20, 192 << 20):
        content.truncate(size)
        for kind in (KeyKind.RSA, KeyKind.SM2):
            issued = bidder(kind)
            for sign in (sign_detached, sign_without_attributes)[: 1 if kind is KeyKind.RSA else 2]:
                content.seek(0)
                made = sign(content, issued.key, issued.certificate, issued.chain)
                content.seek(0)
                assert verify_detached(made, content, trust=cas().trust, at=AT, crls=lists()).good
        room[size] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps(sorted(room.values())))
"""


def test_content_larger_than_memory():
    """192 MiB are signed and checked in the room of 1 MiB (and a little: the allocator's)."""
    said = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, timeout=120)
    assert said.returncode == 0, said.stderr
    small, large = json.loads(said.stdout)

    assert large - small < 8 * 1024, (small, large)
