"""`gongheng bid`: a bid made, sealed, unlocked and opened on the bidder's own machine, without a server.

`upload` and `send` alone speak to a centre, and send neither the rescue file nor a key but kb.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from app.commands.bid_sign import make, sign
from app.commands.bid_upload import send, upload
from app.commands.draw import HexKey
from app.commands.sig import keyholder
from ca.certificates import read
from ca.sealing import lockb, rescue, transcript
from ca.sealing.faults import Fault, ParamsWrong
from ca.sealing.file import Sealed, check_kb, seal
from ca.sealing.header import HEAD_AT_MOST, read_header
from ca.sealing.params import COMMITTEE, Params

WRONG, UNREADABLE = 1, 2
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)

passphrase_option = click.option(
    "--passphrase-file", type=FILE, help="First line is the passphrase (default: it is asked for)."
)


@click.group()
def bid() -> None:
    """投标文件: make, seal, sign, hand in and unlock a bid; open a transcript. Only upload and send use the network.

    \b
    Examples:
      gongheng bid make documents -o bid.asice --opening GH-2026-001 --price 1234567.89 --key me.p12
      gongheng bid seal bid.asice -o bid.sealed --params params.json --bidder 91510000MA0000001X
      gongheng bid sign bid.sealed --key me.p12
      gongheng bid unlock bid.sealed.rescue --sealed bid.sealed --params params.json
      gongheng bid open --transcript opening --files sealed
    """


for command in (make, sign, upload, send):
    bid.add_command(command)


@bid.command("seal")
@click.argument("source", type=FILE)
@click.option("-o", "--output", type=OUTPUT, required=True, help="The sealed file.")
@click.option("--params", "params_file", type=FILE, required=True, help="Parameters of the opening, as published.")
@click.option("--params-hash", help="Their SHA-256 as the notice prints it; another one is refused.")
@click.option("--lot", default="1", show_default=True, help="Number of the lot.")
@click.option("--bidder", required=True, help="Credit code of the bidder.")
@click.option("--seq", type=click.IntRange(1), default=1, show_default=True, help="Version of this bid.")
@click.option("--rescue", "rescue_file", type=OUTPUT, help="The rescue file (default: OUTPUT.rescue).")
@click.option(
    "--cert", "certificates", type=FILE, multiple=True, help="Also unlock by this certificate's key; up to 4."
)
@passphrase_option
def seal_bid(
    source: Path, output: Path, params_file: Path, params_hash: str | None, lot: str, bidder: str, seq: int,
    rescue_file: Path | None, certificates: Sequence[Path], passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Seal SOURCE so that nobody can open it before its hour, and keep the rescue file.

    To unlock you need the rescue file and its passphrase, or the key of a --cert. Never give them away.

    \b
    Example:
      gongheng bid seal bid.asice -o bid.sealed --params params.json --bidder 91510000MA0000001X
    """
    params, keep = _params(params_file), rescue_file or output.with_name(output.name + ".rescue")
    if params_hash is not None and params_hash != params.digest.hex():
        raise click.ClickException("参数与公告不符 these are not the parameters that the notice prints")
    if params.mode == COMMITTEE:
        click.echo("注意 note: mode committee, the key holders alone can open this bid", err=True)
    passphrase = _passphrase(passphrase_file, confirm=True)
    try:
        sealed = _seal(source, output, params, lot=lot, bidder=bidder, seq=seq, certificates=certificates)
        kept = rescue.write(rescue.rescue_of(sealed), passphrase)
    except (ParamsWrong, ValueError) as error:
        output.unlink(missing_ok=True)
        raise click.ClickException(str(error)) from error
    keep.touch(0o600)
    keep.write_bytes(kept)
    click.echo(f"params {params.digest.hex()}")
    click.echo(f"digest {sealed.digest.hex()}")
    click.echo(f"bytes  {sealed.length}")
    click.echo(f"rescue {keep}")


def _seal(source: Path, output: Path, params: Params, *, certificates: Sequence[Path], **meant: Any) -> Sealed:
    wrappers = [lockb.wrapper(read(file.read_bytes())) for file in certificates]
    with click.progressbar(length=source.stat().st_size, label="加密 sealing", file=sys.stderr) as bar:
        return seal(source, output, params, wrappers=wrappers, told=lambda count: bar.update(count - bar.pos), **meant)


@bid.command("unlock")
@click.argument("rescue_file", type=FILE, required=False)
@click.option("--sealed", type=FILE, required=True, help="The sealed file as it was handed in.")
@click.option("--params", "params_file", type=FILE, required=True, help="Parameters of the opening.")
@click.option(
    "--key", "key_file", type=FILE, help="Instead of the rescue file: the key of a certificate in the header."
)
@click.option("--cert", "certificates", type=FILE, multiple=True, help="Its certificate, when the key file has none.")
@click.option("--password-file", type=FILE, help="File with the key's password (else GONGHENG_KEY_PASSWORD).")
@click.option("-o", "--output", type=OUTPUT, help="Write what is to be sent here (default: print it).")
@passphrase_option
def unlock_bid(
    rescue_file: Path | None, sealed: Path, params_file: Path, key_file: Path | None, certificates: Sequence[Path],
    password_file: Path | None, output: Path | None, passphrase_file: Path | None,
) -> None:  # fmt: skip
    """Read your half key from RESCUE_FILE (or by --key) and check it; send it while unlocking is open.

    Prints {params, digest, kb}. Only kb ever leaves this machine; kc stays in the rescue file.

    \b
    Examples:
      gongheng bid unlock bid.sealed.rescue --sealed bid.sealed --params params.json -o unlock.json
      gongheng bid unlock --key me.p12 --sealed bid.sealed --params params.json
    """
    if (rescue_file is None) == (key_file is None):
        raise click.UsageError("either RESCUE_FILE or --key")
    params = _params(params_file)
    try:
        with sealed.open("rb") as raw:
            header = read_header(raw.read(HEAD_AT_MOST), sealed.stat().st_size, params)
        if key_file is not None:
            kb = lockb.unwrap(header, keyholder(key_file, certificates, password_file).key)
        else:
            assert rescue_file is not None
            kb = rescue.read(rescue_file.read_bytes(), _passphrase(passphrase_file, confirm=False)).kb
        check_kb(header, kb)
    except rescue.NotRescued as error:
        raise click.ClickException(f"救援文件打不开 the rescue file does not open: {error}") from error
    except lockb.CannotUnwrap as error:
        raise click.ClickException(f"这把密钥不能解密 {error}") from error
    except Fault as fault:
        raise click.ClickException(f"{fault.code}: 救援文件不属于这份投标文件 another bid's rescue file") from fault
    told = json.dumps({"params": params.digest.hex(), "digest": transcript.digest_of(sealed), "kb": kb.hex()})
    if output is None:
        click.echo(told)
    else:
        output.touch(0o600)
        output.write_text(told + "\n")


@bid.command("open")
@click.option("--transcript", "folder", type=FOLDER, required=True, help="Folder with transcript.json.")
@click.option("--files", type=FOLDER, required=True, help="Folder with the sealed files, under any names.")
@click.option("--platform-key", type=HexKey(), help="The platform's key as known from elsewhere (33 bytes in hex).")
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Write what opens here, by digest.")
@click.pass_context
def open_bids(
    context: click.Context, folder: Path, files: Path, platform_key: bytes | None, output: Path | None
) -> None:
    """Repeat an opening from its transcript: every signature, root and release, and the verdict on every bid.

    Exit 0: the same verdicts. 1: the first wrong item is named. 2: the transcript cannot be read.

    \b
    Example:
      gongheng bid open --transcript opening --files sealed
    """
    try:
        raw = (folder / "transcript.json").read_bytes()
    except OSError as error:
        click.echo(f"无法读取 cannot be read: {error}", err=True)
        context.exit(UNREADABLE)
    by_digest = transcript.digests_in(files)
    with click.progressbar(length=1000, label="开标 opening", file=sys.stderr) as bar:

        def told(done: int, all_: int) -> None:
            bar.update(1000 * done // all_ - bar.pos)

        found = transcript.verify(raw, by_digest, platform=platform_key, into=output, told=told)
    if not found.ok:
        click.echo(f"wrong 有误: {found.first_wrong}")
        context.exit(WRONG)
    for one in found.bids:
        click.echo(f"{one.digest}  {one.verdict:<18} {one.culprit or one.sha256}")
    for holder in found.blamed:
        click.echo(f"FALSE_KEY  holder/{holder}")
    for remark in found.remarks:
        click.echo(f"note 说明: {remark}")
    click.echo("good 无误")


def _params(file: Path) -> Params:
    try:
        return Params.read(file.read_bytes().strip())
    except ParamsWrong as error:
        raise click.ClickException(f"参数无法读取 these are no parameters: {error}") from error


def _passphrase(file: Path | None, *, confirm: bool) -> str:
    if file is not None:
        return (file.read_text().splitlines() or [""])[0]
    asked: str = click.prompt("口令 passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return asked
