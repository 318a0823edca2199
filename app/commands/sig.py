"""`gongheng sig`, `cert`, `asic`: signatures, certificates and containers checked and made at a terminal.

Exit code 0: good. 1: read, and not good. 2: cannot be read at all (or wrongly called).
"""

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any

import click
from babel.messages.pofile import read_po

from ca import asic as containers
from ca import keyfiles, paths, signatures
from ca.certificates import Certificate, Unreadable, read, read_all
from ca.keyfiles import Keyholder
from ca.revocation import REVOCATION_NAMES, RevocationList, read_lists
from ca.trust import Anchor, Asked, TrustList
from storage import clock
from storage.refusals import Refusal

GOOD, NOT_GOOD, UNREADABLE = 0, 1, 2
BEIJING = timezone(timedelta(hours=8))
CATALOGUE = Path(containers.__file__).parent / "translations" / "en.po"
PURPOSES = ("sign", "any")
LANGUAGE = "gongheng.language"
Speak = Callable[[str], str]


@cache
def _english() -> dict[str, str]:
    with CATALOGUE.open("rb") as source:
        return {str(message.id): str(message.string) for message in read_po(source, locale="en") if message.string}


def speaker(language: str) -> Speak:
    """Chinese is the source; English comes from the room's catalogue."""
    return (lambda text: _english().get(text, text)) if language == "en" else lambda text: text


class Moment(click.ParamType):
    """ISO 8601; without an offset Beijing time is meant."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a moment such as 2026-11-22T09:30:00+08:00 or 2026-11-22T01:30:00Z")
        return (moment if moment.tzinfo else moment.replace(tzinfo=BEIJING)).astimezone(UTC)


class Checks(click.Group):
    """Commands whose refusals are one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (Refusal, OSError) as no:
            language = ctx.meta.get(LANGUAGE, "zh")
            said = no.sentence(speaker(language)) if isinstance(no, Refusal) else str(no)
            click.echo(said, err=True)
            ctx.exit(UNREADABLE)


def _remember(ctx: click.Context, _: click.Parameter, value: str) -> str:
    ctx.meta[LANGUAGE] = value  # shared with the group, which says a refusal in this language
    return value


lang = click.option(
    "--lang", type=click.Choice(["zh", "en"]), default="zh", envvar="GONGHENG_LANG", callback=_remember, is_eager=True,
    help="Language.",
)  # fmt: skip
as_json = click.option("--json", "as_json", is_flag=True, help="Everything found, as one JSON object.")
at_option = click.option("--at", type=Moment(), help="The moment to judge by (default: now).")
trust_option = click.option(
    "--trust", "trust_folder", type=click.Path(exists=True, path_type=Path), required=True,
    help="Folder of PEM certificates of the CAs to recognise (NAME.toml beside NAME.pem: its policy).",
)  # fmt: skip
crl_option = click.option(
    "--crl", "crl_folders", type=click.Path(exists=True, path_type=Path), multiple=True,
    help="Folder (or file) of revocation lists, PEM or DER; may be repeated.",
)  # fmt: skip
ocsp_option = click.option(
    "--ocsp", "ocsp_folders", type=click.Path(exists=True, path_type=Path), multiple=True,
    help="Folder (or file) of OCSP responses, DER; may be repeated.",
)  # fmt: skip
chain_option = click.option(
    "--chain", "chain_folders", type=click.Path(exists=True, path_type=Path), multiple=True,
    help="Folder (or file) of CA certificates between; may be repeated.",
)  # fmt: skip
any_revocation = click.option(
    "--revocation", type=click.Choice(["always", "when_known"]), default=None,
    help="Whether a missing or stale revocation list counts against the certificate (default: the CA's policy).",
)  # fmt: skip


def key_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of everything that signs."""
    for option in reversed(
        (
            click.option("--key", "key_file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                         required=True, help="Key file: PKCS#12, or PEM (RSA, ECDSA, SM2)."),
            click.option("--cert", "certificates", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                         multiple=True, help="Certificate and chain, when the key file has none; may be repeated."),
            click.option("--password-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
                         help="File with the key's password (else GONGHENG_KEY_PASSWORD)."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def keyholder(key_file: Path, certificates: Sequence[Path], password_file: Path | None) -> Keyholder:
    """The signer from the key options. Raises CannotOpenKey, KeyWithoutCertificate, Unreadable."""
    said = password_file.read_text().strip() if password_file else os.environ.get("GONGHENG_KEY_PASSWORD", "")
    more = b"\n".join(file.read_bytes() for file in certificates)
    return keyfiles.read(key_file.read_bytes(), said.encode() or None, more=more)


def _files(places: Iterable[Path]) -> list[Path]:
    """The files of folders, and files themselves, in order."""
    found: list[Path] = []
    for place in places:
        found += sorted(file for file in place.iterdir() if file.is_file()) if place.is_dir() else [place]
    return [file for file in found if file.suffix.lower() != ".toml" and not file.name.startswith(".")]


def _trust(place: Path, revocation: str | None) -> TrustList:
    trust = TrustList.from_folder(place) if place.is_dir() else TrustList.of(*read_all(place.read_bytes()))
    if not trust.anchors:
        raise Unreadable(reason="没有找到CA证书")
    if revocation is None:
        return trust
    return TrustList(tuple(_asking(anchor, revocation) for anchor in trust.anchors), trust.known)


def _asking(anchor: Anchor, revocation: str) -> Anchor:
    return replace(anchor, policy=replace(anchor.policy, revocation=Asked(revocation)))


def _lists(places: Iterable[Path]) -> tuple[RevocationList, ...]:
    return tuple(one for file in _files(places) for one in read_lists(file.read_bytes()))


def _responses(places: Iterable[Path]) -> tuple[bytes, ...]:
    return tuple(file.read_bytes() for file in _files(places))


def _chain(places: Iterable[Path]) -> tuple[Certificate, ...]:
    return tuple(one for file in _files(places) for one in read_all(file.read_bytes()))


def _finish(good: bool) -> None:
    sys.exit(GOOD if good else NOT_GOOD)


def _show(title: str, good: bool, lines: Iterable[tuple[str, str]], say: Speak) -> None:
    """A title with the judgement, and what was found, one line each."""
    click.secho(f"{say(title)}：{say('通过' if good else '不通过')}", fg="green" if good else "red", bold=True)
    for name, value in lines:
        click.echo(f"  {say(name)}：{value}")


def _yes(found: bool, say: Speak) -> str:
    return say("是" if found else "否")


def _reasons(codes: Iterable[str], say: Speak) -> list[tuple[str, str]]:
    return [("原因", f"{say(signatures.REASON_NAMES[code])} [{code}]") for code in codes]


def verdict_lines(verdict: signatures.Verdict, say: Speak) -> list[tuple[str, str]]:
    """What a verdict says, for people."""
    code = f" ({verdict.credit_code})" if verdict.credit_code else ""
    by = f" [{verdict.revoked_by}]" if verdict.revoked_by else ""
    lines = [
        ("签名人", f"{verdict.holder or '—'}{code}"),
        ("签发机构", verdict.issuer or say("未被认可")),
        ("算法", verdict.algorithm or "—"),
        ("核验时刻", verdict.at.isoformat()),
        ("签名时间（签名人自称）", verdict.signed_at.isoformat() if verdict.signed_at else "—"),
        ("证书链成立", _yes(verdict.path_good, say)),
        ("证书在有效期内", _yes(verdict.in_force, say)),
        ("证书可用于签名", _yes(verdict.usage_good, say)),
        ("吊销状态", say(REVOCATION_NAMES[verdict.revocation]) + by),
        ("文件未被改动", _yes(verdict.intact, say)),
        ("签名值成立", _yes(verdict.signature_good, say)),
    ]
    return lines + _reasons(verdict.reasons, say)


# ------------------------------------------------------------------------------------------------------ sig


@click.group(cls=Checks)
def sig() -> None:
    """Check and make signatures beside a file (CMS/CAdES, GM/T 0010; RSA, ECDSA, SM2).

    \b
    Example:
      gongheng sig verify bid.p7s --content bid.sealed --trust anchors
    """


@sig.command("verify")
@click.argument("signature", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--content", type=click.File("rb"), required=True, help="The signed file.")
@trust_option
@crl_option
@ocsp_option
@chain_option
@any_revocation
@at_option
@as_json
@lang
def verify_signature(
    signature: Path, content: Any, trust_folder: Path, crl_folders: Sequence[Path], ocsp_folders: Sequence[Path],
    chain_folders: Sequence[Path],
    revocation: str | None, at: datetime | None, as_json: bool, lang: str,
) -> None:  # fmt: skip
    """Check the signature file SIGNATURE against its content. Opens no connection.

    \b
    Examples:
      gongheng sig verify bid.p7s --content bid.sealed --trust cas/trust --crl cas/crl
      gongheng sig verify a.p7s --content a.pdf --trust cas --at 2026-11-22T09:30:00+08:00 --json
    """
    found = signatures.verify_detached(
        signature.read_bytes(), content, trust=_trust(trust_folder, revocation), at=at or clock.now(),
        crls=_lists(crl_folders), ocsps=_responses(ocsp_folders), chain=_chain(chain_folders),
    )  # fmt: skip
    if as_json:
        click.echo(json.dumps(found.as_facts(), ensure_ascii=False, indent=2))
    else:
        _show("签名核验", found.good, verdict_lines(found, speaker(lang)), speaker(lang))
    _finish(found.good)


@sig.command("pdf")
@click.argument("pdf", type=click.File("rb"))
@trust_option
@crl_option
@any_revocation
@at_option
@as_json
@lang
def verify_pdf(
    pdf: Any, trust_folder: Path, crl_folders: Sequence[Path], revocation: str | None, at: datetime | None,
    as_json: bool, lang: str,
) -> None:  # fmt: skip
    """Check every signature inside a PDF (PAdES), and what was added after it.

    \b
    Example:
      gongheng sig pdf letter-of-award.pdf --trust cas/trust --crl cas/crl
    """
    from ca import pdf_signatures  # loads pyhanko: only who asks about a PDF waits for it

    trust, say = _trust(trust_folder, revocation), speaker(lang)
    found = pdf_signatures.verify_pdf(pdf.read(), trust=trust, at=at or clock.now(), crls=_lists(crl_folders))
    if as_json:
        click.echo(json.dumps(found.as_facts(), ensure_ascii=False, indent=2))
        _finish(found.good)
    _show("PDF核验", found.good, [] if found.signatures else [("问题", say("没有签名"))], say)
    for one in found.signatures:
        covers = [("覆盖当时的整个文件", _yes(one.whole, say)), ("此后只增加过签名", _yes(one.unchanged, say))]
        _show(one.field, one.good, [*verdict_lines(one.verdict, say), *covers], say)
    _finish(found.good)


@sig.command("make")
@click.argument("content", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@key_options
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: CONTENT.p7s.")
@lang
def make_signature(
    content: Path, key_file: Path, certificates: Sequence[Path], password_file: Path | None, output: Path | None,
    lang: str,
) -> None:  # fmt: skip
    """Sign a file of any size: write a detached CAdES signature beside it.

    \b
    Examples:
      gongheng sig make letter.pdf --key me.p12 --password-file secret.txt
      gongheng sig make letter.pdf --key me.pem --cert me.crt --cert issuing-ca.crt
    """
    target = sign_file(content, keyholder(key_file, certificates, password_file), output)
    click.echo(f"{speaker(lang)('已签名')}：{target}")


def sign_file(content: Path, who: Keyholder, output: Path | None) -> Path:
    """Write the detached signature over a file; default name: the file's and `.p7s`."""
    from ca import signing  # loads pyhanko: only who signs waits for it

    target = output or content.with_name(content.name + ".p7s")
    with content.open("rb") as source:
        made = signing.sign_detached(source, who.key, who.certificate, who.chain)
    target.write_bytes(made)
    return target


# ----------------------------------------------------------------------------------------------------- cert


@click.group(cls=Checks)
def cert() -> None:
    """Show certificates, and check whether they count.

    \b
    Example:
      gongheng cert show me.pem
    """


@cert.command("show")
@click.argument("certificate", type=click.File("rb"))
@as_json
@lang
def show_certificate(certificate: Any, as_json: bool, lang: str) -> None:
    """What a certificate says of itself, and what is odd about it.

    \b
    Example:
      gongheng cert show me.pem --lang en
    """
    found, say = read(certificate.read()), speaker(lang)
    if as_json:
        click.echo(json.dumps(found.as_facts(), ensure_ascii=False, indent=2))
        return
    for name, value in (
        ("持有人", found.holder),
        ("统一社会信用代码", found.credit_code() or "—"),
        ("主体", found.subject),
        ("签发者", found.issuer),
        ("序列号", found.serial),
        ("密钥", f"{found.kind.value.upper() if found.kind else '?'}-{found.bits}"),
        ("有效期", f"{found.not_before.isoformat()} – {found.not_after.isoformat()}"),
        ("用途", ", ".join(sorted(found.usage)) if found.usage else "—"),
        ("CA证书", _yes(found.is_ca, say)),
        ("指纹", found.fingerprint),
    ):
        click.echo(f"{say(name)}：{value}")
    for name, value in _reasons(found.as_facts()["oddities"], say):
        click.echo(f"{say(name)}：{value}")


@cert.command("verify")
@click.argument("certificate", type=click.File("rb"))
@trust_option
@crl_option
@ocsp_option
@chain_option
@any_revocation
@click.option("--purpose", type=click.Choice(PURPOSES), default="sign", help="What it must be good for.")
@at_option
@as_json
@lang
def verify_certificate(
    certificate: Any, trust_folder: Path, crl_folders: Sequence[Path], ocsp_folders: Sequence[Path],
    chain_folders: Sequence[Path],
    revocation: str | None, purpose: str, at: datetime | None, as_json: bool, lang: str,
) -> None:  # fmt: skip
    """Check whether a certificate counts at a moment. Opens no connection.

    \b
    Example:
      gongheng cert verify me.pem --chain cas/chain --trust cas/trust --crl cas/crl --at 2026-11-22T01:30:00Z
    """
    asked, at = read(certificate.read()), at or clock.now()
    path = paths.check(
        asked, chain=_chain(chain_folders), trust=_trust(trust_folder, revocation), at=at, crls=_lists(crl_folders),
        ocsps=_responses(ocsp_folders), purpose=purpose,
    )  # fmt: skip
    if as_json:
        facts = path.as_facts() | {"at": at.isoformat(), "certificate": asked.as_facts()}
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        _show("证书核验", path.good, path_lines(path, at, speaker(lang)), speaker(lang))
    _finish(path.good)


def path_lines(path: paths.Path, at: datetime, say: Speak) -> list[tuple[str, str]]:
    """What a path check says, for people."""
    by = f" [{path.revoked_by}]" if path.revoked_by else ""
    return [
        ("持有人", path.links[0].holder),
        ("签发机构", path.anchor.name if path.anchor else say("未被认可")),
        ("核验时刻", at.isoformat()),
        ("证书链成立", _yes(path.sound, say)),
        ("证书在有效期内", _yes(path.in_force, say)),
        ("吊销状态", say(REVOCATION_NAMES[path.revocation]) + by),
        *_reasons(path.reasons, say),
    ]


# ----------------------------------------------------------------------------------------------------- asic


@click.group(cls=Checks)
def asic() -> None:
    """Check ASiC containers (documents and their signatures in one ZIP).

    \b
    Example:
      gongheng asic verify bid.asice --trust anchors
    """


@asic.command("verify")
@click.argument("container", type=click.File("rb"))
@trust_option
@crl_option
@any_revocation
@at_option
@as_json
@lang
def verify_container(
    container: Any, trust_folder: Path, crl_folders: Sequence[Path], revocation: str | None, at: datetime | None,
    as_json: bool, lang: str,
) -> None:  # fmt: skip
    """Check every file and every signature of a container.

    \b
    Example:
      gongheng asic verify bid.asice --trust cas/trust --crl cas/crl --lang en
    """
    found = containers.Container(container).verify(
        trust=_trust(trust_folder, revocation), at=at or clock.now(), crls=_lists(crl_folders)
    )
    say = speaker(lang)
    if as_json:
        click.echo(json.dumps(found.as_facts(), ensure_ascii=False, indent=2))
        _finish(found.good)
    lines = [("文件", f"{document.name}  {document.size}  {document.sha256}") for document in found.documents]
    lines += [("问题", f"{say(containers.PROBLEM_NAMES[code])} [{code}]") for code in found.problems]
    lines += [("未被签名覆盖", name) for name in found.not_covered]
    _show("文件包核验", found.good, lines, say)
    for one in found.signatures:
        _show(one.name, one.good, verdict_lines(one.verdict, say), say)
    _finish(found.good)
