"""Second opinions: the `openssl` command for RSA and ECDSA, Bouncy Castle for SM2 and all the rest, both ways."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from asn1crypto import pem

from ca.keys import KeyKind
from ca.signatures import verify_detached
from ca.signing import sign_bytes
from tests.ca.paper import AT, bidder, cas, lists

KINDS = list(KeyKind)
CONTENT = b"a bid, sealed " * 500
JARS = [Path(f"/usr/share/java/{name}.jar") for name in ("bcprov", "bcpkix", "bcutil")]
NAMES = {KeyKind.RSA: "SHA256WITHRSA", KeyKind.ECDSA: "SHA256WITHECDSA", KeyKind.SM2: "SM3WITHSM2"}

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command is not installed")
needs_java = pytest.mark.skipif(
    not shutil.which("javac") or not all(jar.exists() for jar in JARS),
    reason="Bouncy Castle is not installed (Debian: default-jdk-headless libbcpkix-java)",
)


def verify(signature, content=CONTENT):
    return verify_detached(signature, io.BytesIO(content), trust=cas().trust, at=AT, crls=lists())


def laid_out(folder, kind):
    """Key, certificates and content as files."""
    issued, ca = bidder(kind), cas().by_kind[kind]
    (folder / "key.pem").write_bytes(issued.key_pem())
    (folder / "key.der").write_bytes(pem.unarmor(issued.key_pem())[2])
    (folder / "cert.pem").write_bytes(issued.certificate_pem)
    (folder / "chain.pem").write_bytes(issued.chain_pem)
    (folder / "root.pem").write_bytes(ca.root.to_pem())
    (folder / "content").write_bytes(CONTENT)
    return folder


def openssl(folder, *words):
    return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, timeout=60)


@needs_openssl
@pytest.mark.parametrize("kind", [KeyKind.RSA, KeyKind.ECDSA])
@pytest.mark.parametrize("how", [[], ["-cades"], ["-noattr"], ["-md", "sha384"], ["-md", "sha512"], ["-keyid"]])
def test_what_openssl_signs_is_good(tmp_path, kind, how):
    laid_out(tmp_path, kind)
    made = openssl(tmp_path, "cms", "-sign", "-binary", "-in", "content", "-signer", "cert.pem", "-inkey", "key.pem",
                   "-certfile", "chain.pem", "-outform", "DER", "-out", "made.p7s", *how)  # fmt: skip
    assert made.returncode == 0, made.stderr
    signature = (tmp_path / "made.p7s").read_bytes()

    verdict = verify(signature)

    assert verdict.good, verdict.reasons
    assert "content_changed" in verify(signature, CONTENT + b".").reasons


@needs_openssl
def test_rsa_pss_by_openssl(tmp_path):
    laid_out(tmp_path, KeyKind.RSA)
    made = openssl(tmp_path, "cms", "-sign", "-binary", "-in", "content", "-signer", "cert.pem", "-inkey", "key.pem",
                   "-certfile", "chain.pem", "-outform", "PEM", "-out", "made.p7s", "-keyopt",
                   "rsa_padding_mode:pss")  # fmt: skip
    assert made.returncode == 0, made.stderr

    verdict = verify((tmp_path / "made.p7s").read_bytes())

    assert verdict.good, verdict.reasons


@needs_openssl
@pytest.mark.parametrize(("how", "reason"), [
    (["-md", "sha1"], "weak_digest"),
    (["-nodetach"], "content_inside"),
    (["-nocerts"], "no_certificate"),
])  # fmt: skip
def test_what_openssl_signs_badly_is_refused(tmp_path, how, reason):
    laid_out(tmp_path, KeyKind.RSA)
    made = openssl(tmp_path, "cms", "-sign", "-binary", "-in", "content", "-signer", "cert.pem", "-inkey", "key.pem",
                   "-certfile", "chain.pem", "-outform", "DER", "-out", "made.p7s", *how)  # fmt: skip
    assert made.returncode == 0, made.stderr

    verdict = verify((tmp_path / "made.p7s").read_bytes())

    assert not verdict.good
    assert verdict.reasons == (reason,)


@needs_openssl
@pytest.mark.parametrize("kind", [KeyKind.RSA, KeyKind.ECDSA])
def test_openssl_takes_what_we_sign(tmp_path, kind):
    laid_out(tmp_path, kind)
    issued = bidder(kind)
    (tmp_path / "ours.p7s").write_bytes(sign_bytes(CONTENT, issued.key, issued.certificate, issued.chain))
    words = ["cms", "-verify", "-binary", "-inform", "DER", "-in", "ours.p7s", "-content", "content", "-CAfile",
             "root.pem", "-purpose", "any", "-cades", "-attime", str(int(AT.timestamp())), "-out",
             "/dev/null"]  # fmt: skip

    good = openssl(tmp_path, *words)
    (tmp_path / "content").write_bytes(CONTENT + b".")
    bad = openssl(tmp_path, *words)

    assert good.returncode == 0, good.stderr
    assert bad.returncode != 0


@pytest.fixture(scope="module")
def bouncy(tmp_path_factory):
    """Orders to Bouncy Castle, answered in the order given."""
    folder = tmp_path_factory.mktemp("java")
    path = ":".join([*map(str, JARS), str(folder)])
    subprocess.run(
        ["javac", "-cp", path, "-d", str(folder), str(Path(__file__).parent / "oracle" / "Cms.java")],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip

    def ask(where, *orders):
        (where / "orders").write_text("\n".join(orders))
        said = subprocess.run(
            ["java", "-Xshare:auto", "-cp", path, "Cms", "orders"], cwd=where, capture_output=True, text=True,
            timeout=120,
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
        return said.stdout.splitlines()

    return ask


@needs_java
@pytest.mark.parametrize("kind", KINDS)
def test_bouncy_castle_agrees_both_ways(tmp_path, bouncy, kind):
    laid_out(tmp_path, kind)
    issued = bidder(kind)
    ours = sign_bytes(CONTENT, issued.key, issued.certificate, issued.chain)
    (tmp_path / "ours.p7s").write_bytes(ours)
    (tmp_path / "other").write_bytes(CONTENT + b".")
    (tmp_path / "changed.p7s").write_bytes(ours[:-1] + bytes([ours[-1] ^ 1]))
    name = NAMES[kind]

    said = bouncy(
        tmp_path, "verify ours.p7s content", "verify ours.p7s other", "verify changed.p7s content",
        f"sign {name} key.der cert.pem content theirs.p7s", f"sign {name} key.der cert.pem content bare.p7s bare",
        "issued cert.pem chain.pem", "issued chain.pem root.pem", "issued cert.pem root.pem",
    )  # fmt: skip

    assert said[0] == "good"
    assert said[1].startswith(("bad", "error"))
    assert said[2].startswith(("bad", "error"))
    assert said[3:7] == ["signed", "signed", "good", "good"]
    assert said[7].startswith("error")
    for file in ("theirs.p7s", "bare.p7s"):
        signature = (tmp_path / file).read_bytes()
        verdict = verify(signature)
        assert verdict.good, (file, verdict.reasons)
        assert "content_changed" in verify(signature, CONTENT + b".").reasons
