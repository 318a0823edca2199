"""Signatures 电子签名 beside a file: made and checked, as CMS/CAdES (RFC 5652, ETSI EN 319 122) or GM/T 0010.

A check is numbered steps that all run, and its `Verdict` says everything found; one property judges. The
content is read once, in pieces, and may be larger than memory. What was not handed in – certificates of
CAs, revocation lists – is not fetched: then the verdict says that it is missing.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, BinaryIO

from asn1crypto import cms, core, pem
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from pyhanko_certvalidator.sig_validate import SignatureValidationContext

from ca import attributes, names, paths, sm2  # noqa: F401 – names: the national names are taught before anything is parsed
from ca.certificates import Certificate, Unreadable, read
from ca.digests import KNOWN, PIECE, Digests
from ca.keys import KeyKind, Validator
from ca.paths import Path
from ca.revocation import Revocation, RevocationList
from ca.trust import Policy, TrustList

LARGEST = 1024 * 1024  # bytes of a signature file; real ones have 2–20 KiB
MOST_CERTIFICATES = 16
SIGNED = {"signed_data", "gm_signed_data"}
CONTENT = {"data", "gm_data"}
Content = BinaryIO | Mapping[str, bytes]  # a file, or digests of it made while it arrived


@dataclass(frozen=True)
class Verdict:
    """签名核验结论: what a check of one signature found, kept with the signed file for as long as the file."""

    issuer: str | None  # 签发机构; None: no CA that we recognise
    path_good: bool  # 证书链成立
    in_force: bool  # 证书在有效期内, at the moment
    usage_good: bool  # 证书可用于签名
    revocation: Revocation  # 吊销状态
    revoked_by: str | None  # which list said so
    revoked_at: datetime | None
    certified: bool  # all of the above suffice under the CA's policy
    intact: bool  # 文件自签名后未被改动
    signature_good: bool  # 签名由证书的密钥作出
    strong: bool  # 算法符合要求
    algorithm: str | None  # such as "RSA-2048 SHA256"
    holder: str | None  # 签名人
    credit_code: str | None  # 统一社会信用代码
    serial: str | None
    certificate: str | None  # fingerprint
    signed_at: datetime | None  # 签名时间 as the signer claims it
    at: datetime  # the moment asked about
    digest: str | None  # what the content was found to be, algorithm:hex
    trust: str  # version of the list of recognised CAs
    reasons: tuple[str, ...]  # stable codes of everything that is wrong

    def __post_init__(self) -> None:
        assert set(self.reasons) <= set(REASON_NAMES), self.reasons

    @property
    def good(self) -> bool:
        """Whether the signature counts."""
        return self.certified and self.intact and self.signature_good and self.strong and not self.fatal

    @property
    def fatal(self) -> bool:
        """Something in the form of the signature forbids to count it, whatever its arithmetic says."""
        return bool(set(self.reasons) & FATAL)

    def as_facts(self) -> dict[str, Any]:
        """For JSON: every field, and `good`."""
        said = {wanted.name: getattr(self, wanted.name) for wanted in fields(self)}
        plain = {name: v.isoformat() if isinstance(v, datetime) else v for name, v in said.items()}
        return {"good": self.good, **plain, "reasons": list(self.reasons), "revocation": self.revocation.value}


FATAL = {
    "content_inside", "bad_form", "stray_certificate", "bad_attributes", "attributes_as_content", "two_certificates",
    "no_certificate",
}  # fmt: skip
REASON_NAMES = {
    "unknown_ca": "签发机构未被认可",
    "same_name_other_key": "与认可的机构同名，但密钥不同",
    "self_signed": "证书是自签名的",
    "anchor_itself": "CA 根证书不能用于签名",
    "expired": "证书已过期",
    "not_yet_valid": "证书尚未生效",
    "wrong_usage": "证书用途不允许签名",
    "revocation_revoked": "证书已吊销",
    "revocation_stale": "吊销列表不在有效期内",
    "revocation_missing": "没有签发机构的吊销列表",
    "weak_key": "密钥长度不足",
    "weak_digest": "摘要算法不符合要求",
    "unaccepted_key": "该机构不应签发这种密钥的证书",
    "unknown_key": "密钥类型无法识别",
    "issuer_is_no_ca": "上级证书不是 CA 证书",
    "path_length": "证书链超过允许的层级",
    "path_refused": "证书链不符合规范",
    "path_refused_by_openssl": "证书链未通过 OpenSSL 核验",
    "content_changed": "文件与签名不符（可能在签名后被改动）",
    "signature_bad": "签名值不成立",
    "content_inside": "签名文件里又装了一份内容，应为分离式签名",
    "bad_form": "签名文件的结构不符合规范",
    "stray_certificate": "签名文件里夹带了无法核实的证书",
    "bad_attributes": "签名属性不符合规范",
    "attributes_as_content": "被签内容本身是签名属性",
    "no_certificate": "签名文件里没有签名人的证书",
    "two_certificates": "签名文件里有多张证书都自称签名人",
    "not_version_3": "证书不是第 3 版",
    "serial_out_of_range": "证书序列号不合规",
    "two_signature_algorithms": "证书内外签名算法不一致",
    "period_reversed": "证书有效期颠倒",
    "end_entity_signs_certificates": "用户证书却可以签发证书",
    "ca_may_not_sign_certificates": "CA 证书没有签发证书的用途",
    "end_entity_constrains_names": "用户证书却带有名称限制",
    "malformed_name": "证书里的名称写法不合规",
    "constraint_not_critical": "CA 证书的限制没有标为关键",
    "unknown_name_constraint": "CA 证书的名称限制无法识别",
}


@dataclass(frozen=True)
class _Signed:
    """A signature file, opened."""

    info: cms.SignerInfo
    content_type: str
    inside: bool  # carries its own content
    signers: tuple[Certificate, ...]
    others: tuple[Certificate, ...]
    attributes: cms.CMSAttributes | None
    digest: str
    tidy: bool  # versions and algorithms say nothing but what they must
    signed_at: datetime | None


def verify_detached(
    signature: bytes,
    content: Content,
    *,
    trust: TrustList,
    at: datetime,
    crls: Iterable[bytes | RevocationList] = (),
    ocsps: Iterable[bytes] = (),
    chain: Sequence[Certificate] = (),
) -> Verdict:
    """Check a signature file against the content beside it, as of the moment `at`.

    `signature`: CMS or GM/T 0010 SignedData, DER or PEM. `chain`: CAs' certificates to help find the way up.
    Raises Unreadable when `signature` is not a signature file at all.
    """
    # 1. Read the signature file.
    signed = _open(signature)
    if len(signed.signers) != 1:
        reason = "two_certificates" if signed.signers else "no_certificate"
        return _unsigned(signed, at, trust, reason)
    signer = signed.signers[0]
    # 2. Whose certificate it is, and whether it counts at that moment.
    path = paths.check(signer, chain=(*signed.others, *chain), trust=trust, at=at, crls=crls, ocsps=ocsps)
    policy = path.anchor.policy if path.anchor else Policy()
    # 3. The form of the signature.
    form = _form(signed) + (_strays(signed, path, trust, chain) if path.anchor else [])
    # 4. The content's digest, and 5. the signature by the certificate's key.
    found = _arithmetic(signed, signer, content, policy)
    reasons = [*form, *found.reasons]
    # 6. The algorithms.
    strong = signed.digest in policy.digests and "weak_key" not in path.reasons and found.known
    reasons += [] if strong else ["weak_digest"] if "weak_key" not in path.reasons else []
    return Verdict(
        issuer=path.anchor.name if path.anchor else None,
        path_good=path.sound,
        in_force=path.in_force,
        usage_good=path.usage_good,
        revocation=path.revocation,
        revoked_by=path.revoked_by,
        revoked_at=path.revoked_at,
        certified=path.good,
        intact=found.intact,
        signature_good=found.holds,
        strong=strong,
        algorithm=_algorithm(signer, signed.digest),
        holder=signer.holder,
        credit_code=signer.credit_code(policy.code_places),
        serial=signer.serial,
        certificate=signer.fingerprint,
        signed_at=signed.signed_at,
        at=at,
        digest=found.digest,
        trust=trust.version,
        reasons=tuple(dict.fromkeys((*path.reasons, *reasons))),
    )


def _unsigned(signed: _Signed, at: datetime, trust: TrustList, reason: str) -> Verdict:
    """The verdict when nobody can be said to have signed."""
    return Verdict(
        issuer=None, path_good=False, in_force=False, usage_good=False, revocation=Revocation.MISSING,
        revoked_by=None, revoked_at=None, certified=False, intact=False, signature_good=False, strong=False,
        algorithm=None, holder=None, credit_code=None, serial=None, certificate=None, signed_at=signed.signed_at,
        at=at, digest=None, trust=trust.version, reasons=(reason,),
    )  # fmt: skip


def _open(raw: bytes) -> _Signed:
    """Read a signature file. Raises Unreadable, and nothing else, for foreign bytes."""
    if len(raw) > LARGEST:
        raise Unreadable(reason="签名文件太大")
    try:
        der = pem.unarmor(raw)[2] if pem.detect(raw) else raw
        outer = cms.ContentInfo.load(der, strict=True)
        if outer["content_type"].native not in SIGNED:
            raise Unreadable(reason="不是签名文件")
        return _inner(outer["content"])
    except Unreadable:
        raise
    except Exception as error:  # parsers of foreign bytes raise whatever they like; ours raise one thing
        raise Unreadable(reason="不是签名文件") from error


def _inner(body: cms.SignedData) -> _Signed:
    if len(body["signer_infos"]) != 1 or len(body["certificates"]) > MOST_CERTIFICATES:
        raise Unreadable(reason="应当只有一个签名")
    (info,) = body["signer_infos"]
    chosen = [choice.chosen.untag() for choice in body["certificates"] if choice.name == "certificate"]
    found = tuple(dict.fromkeys(read(certificate.dump()) for certificate in chosen))
    signers = tuple(certificate for certificate in found if _is_signer(certificate, info["sid"]))
    signed = None if isinstance(info["signed_attrs"], core.Void) else info["signed_attrs"]
    digest = info["digest_algorithm"]["algorithm"].native
    if digest not in KNOWN:
        raise Unreadable(reason="摘要算法无法识别")
    _ = bytes(info["signature"]), info["signature_algorithm"]["algorithm"].native, info["unsigned_attrs"].native
    inner = body["encap_content_info"]
    return _Signed(
        info=info,
        content_type=inner["content_type"].native,
        inside=not isinstance(inner["content"], core.Void),
        signers=signers,
        others=tuple(certificate for certificate in found if certificate not in signers),
        attributes=signed,
        digest=digest,
        tidy=_tidy(body, info),
        signed_at=None if signed is None else attributes.signing_time(signed),
    )


def _is_signer(certificate: Certificate, sid: cms.SignerIdentifier) -> bool:
    if sid.name == "issuer_and_serial_number":
        named = sid.chosen
        return bool(
            certificate.asn1.issuer.dump() == named["issuer"].dump()
            and certificate.asn1.serial_number == named["serial_number"].native
        )
    return bool(certificate.asn1.key_identifier == sid.chosen.native)


def _tidy(body: cms.SignedData, info: cms.SignerInfo) -> bool:
    """RFC 5652, 5.1 and 5.3: what no signature covers must at least not contradict what it covers."""
    own = info["digest_algorithm"]
    named = [algorithm["algorithm"].native for algorithm in body["digest_algorithms"]]
    version = "v1" if info["sid"].name == "issuer_and_serial_number" else "v3"
    return (
        named == [own["algorithm"].native]
        and all(isinstance(one["parameters"], core.Null | core.Void) for one in (own, *body["digest_algorithms"]))
        and body["version"].native in ("v1", "v3", "v4")
        and info["version"].native == version
    )


def _strays(signed: _Signed, path: Path, trust: TrustList, chain: Sequence[Certificate]) -> list[str]:
    """Certificates that came along must be of the path, or signed by one that we can see, and nobody's twin."""
    sure = {*path.links, *trust.known, *chain, *(anchor.certificate for anchor in trust.anchors)}
    taken = {certificate.asn1.issuer_serial for certificate in sure}
    for one in signed.others:
        if one in sure:
            continue
        issuers = [issuer for issuer in (*sure, *signed.others) if issuer.subject_key == one.issuer_key]
        if one.asn1.issuer_serial in taken or not any(one.signed_by(issuer) for issuer in issuers):
            return ["stray_certificate"]
    return []


def _form(signed: _Signed) -> list[str]:
    """What RFC 5652 asks of the form, beyond what can be read at all."""
    found = ["content_inside"] if signed.inside else []
    if not signed.tidy:
        found.append("bad_form")
    if signed.attributes is None and signed.content_type not in CONTENT:
        found.append("bad_attributes")  # 5.3: attributes must be there when the content is not plain data
    return found


# --------------------------------------------------------------------------------------- digest and signature


@dataclass(frozen=True)
class _Found:
    intact: bool
    holds: bool
    known: bool  # the algorithm is one we know
    digest: str | None
    reasons: tuple[str, ...]


def _arithmetic(signed: _Signed, signer: Certificate, content: Content, policy: Policy) -> _Found:
    """Steps 4 and 5: the content's digest against the signature, the signature against the key."""
    if signed.attributes is None and signer.kind is KeyKind.SM2:
        return _national_without_attributes(signed, signer, content, policy)
    digest, checker = _digest(content, signed.digest), Validator(policy.sm2_id)
    named, known = f"{signed.digest}:{digest.hex()}", _consistent(signed, signer)
    if signed.attributes is None:
        holds = _holds(signed, signer, digest, checker, prehashed=True)
        trap = holds and _looks_like_attributes(content)
        reason = "attributes_as_content" if trap else "content_changed"
        return _Found(holds, holds, known, named, () if holds and not trap else (reason,))
    plain = signed.attributes.untag()
    holds = _holds(signed, signer, plain.dump(), checker, prehashed=False)
    reasons = [] if holds else ["signature_bad"]
    try:
        intact = attributes.check(signed.info, plain, signed.content_type, signer) == digest
        reasons += [] if intact else ["content_changed"]
    except Exception:  # BadAttributes, or whatever the parser of foreign bytes stumbles over
        intact, reasons = False, [*reasons, "bad_attributes"]
    return _Found(intact, holds, known, named, tuple(reasons))


def _holds(signed: _Signed, signer: Certificate, over: bytes, checker: Validator, *, prehashed: bool) -> bool:
    """Whether the certificate's key signed these bytes, or the content of which they are the digest."""
    context = SignatureValidationContext(contextual_md_algorithm=signed.digest, prehashed=prehashed)
    try:
        checker.validate_signature(
            bytes(signed.info["signature"]), over, signer.asn1.public_key, signed.info["signature_algorithm"], context
        )
    except InvalidSignature:
        return False
    return True


def _national_without_attributes(signed: _Signed, signer: Certificate, content: Content, policy: Policy) -> _Found:
    """GM/T 0010, 8: the signature is over SM3(Z ‖ content), so the content itself must run through."""
    if isinstance(content, Mapping):
        raise Unreadable(reason="没有签名属性的国密签名需要原文")
    plain = hashes.Hash(hashes.SM3())
    try:
        holds = signed.digest == "sm3" and sm2.public_key(bytes(signer.asn1.public_key["public_key"])).verify(
            bytes(signed.info["signature"]), _fed(content, plain), identity=policy.sm2_id
        )
    except sm2.Sm2Error:
        holds = False
    digest = f"sm3:{plain.finalize().hex()}"
    return _Found(holds, holds, _consistent(signed, signer), digest, () if holds else ("content_changed",))


def _fed(content: BinaryIO, plain: hashes.Hash) -> Iterator[bytes]:
    while piece := content.read(PIECE):
        plain.update(piece)
        yield piece


def _consistent(signed: _Signed, signer: Certificate) -> bool:
    """Whether digest, signature algorithm and key are of one family (no SM2 over SHA-1 and the like)."""
    algorithm = signed.info["signature_algorithm"]
    if signer.kind is KeyKind.SM2:
        return signed.digest == "sm3" and algorithm["algorithm"].native in ("sm3_sm2", "sm2")
    try:
        return bool(algorithm.hash_algo == signed.digest)
    except ValueError:  # RSA without a digest in its name: the digest is the one beside it
        return signer.kind is KeyKind.RSA and signed.digest != "sm3"


def _looks_like_attributes(content: Content) -> bool:
    """RFC 5652's old trap: attributes signed by somebody, shown again as content without attributes."""
    if isinstance(content, Mapping):
        return False
    content.seek(0)
    head = content.read(LARGEST)
    if not head or head[0] != 0x31:
        return False
    try:
        kinds = {attribute["type"].native for attribute in cms.CMSAttributes.load(head, strict=True)}
    except Exception:  # foreign bytes: whatever it is, it is no set of attributes
        return False
    return "message_digest" in kinds or "content_type" in kinds


def _digest(content: Content, name: str) -> bytes:
    """The content's digest; a file is read once, in pieces."""
    if isinstance(content, Mapping):
        if name not in content:
            raise Unreadable(reason="缺少这种算法的文件摘要")
        return content[name]
    return Digests.of(content, name)[name]


def _algorithm(signer: Certificate, digest: str) -> str:
    kind = signer.kind.value.upper() if signer.kind else "?"
    return f"{kind}-{signer.bits} {digest.upper()}"
