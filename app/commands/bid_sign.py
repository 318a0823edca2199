"""`gongheng bid make` and `bid sign`: a bid's container made from a folder, and the signature over a sealed file.

Both work offline; nothing but the key file is needed.
"""

from collections.abc import Sequence
from pathlib import Path

import click

from app.commands.sig import key_options, keyholder, lang, sign_file, speaker
from bidding.tenders.price import NAME, write_price
from ca import asic
from storage.values import CreditCode, Money


@click.command("make")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The container.")
@click.option("--opening", required=True, help="Name of the opening, as the notice prints it.")
@click.option("--lot", default="1", show_default=True, help="Number of the lot.")
@click.option("--bidder", default=None, help="Bidder's credit code (default: the certificate's).")
@click.option("--seq", type=click.IntRange(1), default=1, show_default=True, help="Version of this bid.")
@click.option("--price", required=True, help="Price in yuan, such as 1234567.89.")
@click.option("--say", "sayings", multiple=True, metavar="NAME=TEXT", help="More of the opening form; may be repeated.")
@key_options
@lang
def make(
    folder: Path, output: Path, opening: str, lot: str, bidder: str | None, seq: int, price: str,
    sayings: Sequence[str], key_file: Path, certificates: Sequence[Path], password_file: Path | None, lang: str,
) -> None:  # fmt: skip
    """Make a signed bid container (ASiC-E) of the documents in FOLDER and the price.

    \b
    Example:
      gongheng bid make documents -o bid.asice --opening GH-2026-001 --price 1234567.89 --key me.p12
    """
    who, say = keyholder(key_file, certificates, password_file), speaker(lang)
    code = bidder or who.certificate.credit_code()
    if code is None:
        raise click.UsageError(say("证书里没有统一社会信用代码，请用 --bidder 写明。"))
    more = dict(_saying(text) for text in sayings)
    form = write_price(Money.yuan(price), opening=opening, lot=lot, bidder=CreditCode(code), seq=seq, **more)
    documents: list[tuple[str, Path | bytes]] = [(NAME, form)]
    documents += [(name, file) for name, file in _documents(folder) if name != NAME]
    draft = output.with_name(output.name + ".part")
    try:
        with draft.open("w+b") as out:
            written = asic.write(out, documents, key=who.key, certificate=who.certificate, chain=who.chain)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
    for document in written:
        click.echo(f"  {document.name}  {document.size}")
    click.echo(f"{say('投标文件已制作')}：{output}")


@click.command("sign")
@click.argument("sealed", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: SEALED.p7s.")
@key_options
@lang
def sign(
    sealed: Path, output: Path | None, key_file: Path, certificates: Sequence[Path], password_file: Path | None,
    lang: str,
) -> None:  # fmt: skip
    """Sign a sealed bid: the signature that is uploaded beside it.

    \b
    Example:
      gongheng bid sign bid.sealed --key me.p12
    """
    target = sign_file(sealed, keyholder(key_file, certificates, password_file), output)
    click.echo(f"{speaker(lang)('已签名')}：{target}")


def _documents(folder: Path) -> list[tuple[str, Path]]:
    """Files below the folder by their relative names, in order; hidden files are left out."""
    found = []
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.is_symlink() or not file.is_file() or any(part.startswith(".") for part in name.parts):
            continue
        found.append((name.as_posix(), file))
    return found


def _saying(text: str) -> tuple[str, str]:
    name, equals, said = text.partition("=")
    if not equals or not name.isidentifier():
        raise click.UsageError(f"--say NAME=TEXT, not {text!r}")
    return name, said
