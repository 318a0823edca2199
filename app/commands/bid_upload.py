"""`gongheng bid upload` and `bid send`: a sealed bid handed in over cuts and restarts, and its key sent at opening.

Nothing secret leaves the machine before the opening: the sealed file and its signature only, and afterwards
the half key that `gongheng bid unlock` prints. The upload goes on where it stopped (tus 1.0): its address
stands in a small file beside the sealed one until the receipt is there.
"""

import base64
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import click
import httpx

from app.commands.calling import Centre, Refused, password_of, server_options

PIECE = 2 * 1024 * 1024  # bytes; what may have to be sent again after a cut
TRIES = 12  # cuts in a row before we give up
LONGEST_PAUSE_SECONDS = 15.0
VERIFIED_WITHIN_SECONDS = 300
WRONG = 1
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)
tender_option = click.option("--tender", required=True, type=click.IntRange(1), help="Number in the tender's address.")


class Line(Centre):
    """A centre, for answers that are headers rather than JSON."""

    def call(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Any request of the API. Raises Refused, httpx.TransportError."""
        answers: list[httpx.Response] = []
        more = given.pop("headers", {})

        def ask(headers: dict[str, str]) -> httpx.Response:
            answers.append(self._http.request(method, f"/api{path}", headers=headers | more, **given))
            return answers[-1]

        self._told(ask)
        return answers[-1]


class Cut(Exception):
    """The line was cut too often in a row; what has arrived stays there."""


@click.command("upload")
@server_options
@tender_option
@click.argument("sealed", type=FILE)
@click.option("--signature", "signature_file", type=FILE, help="Its signature (default: SEALED.p7s).")
@click.option("--receipt", "receipt_file", type=OUTPUT, help="Where the receipt goes (default: SEALED.receipt.json).")
@click.pass_context
def upload(
    context: click.Context, server: str, login: str, password_file: Path | None, tender: int, sealed: Path,
    signature_file: Path | None, receipt_file: Path | None,
) -> None:  # fmt: skip
    """Upload SEALED, hand it in with its signature, and keep the receipt. After a cut, call it again.

    \b
    Exit 0: sealed, with a receipt. 1: refused, with the reason. 2: could not be sent.

    \b
    Example:
      gongheng bid upload bid.sealed --tender 12 --server https://centre.example --login bidder1
    """
    signature = signature_file or sealed.with_name(sealed.name + ".p7s")
    if not signature.exists():
        raise click.UsageError(f"没有签名文件 {signature}；请先 gongheng bid sign。")
    centre = cast(Line, Line.at(server, login, password_of(password_file)))
    try:
        told = hand_in(centre, tender, sealed, signature.read_bytes(), _bar(sealed))
    except Refused as no:
        click.echo(str(no), err=True)
        context.exit(WRONG)
    except (Cut, httpx.TransportError) as trouble:
        click.echo(f"没有传完，已收到的部分不会丢失，请再执行一次同样的命令。（{trouble}）", err=True)
        context.exit(2)
    if told["state"] != "sealed":
        click.echo(f"未通过核验：{told['refused']}（{told['refused_code']}）", err=True)
        context.exit(WRONG)
    kept = receipt_file or sealed.with_name(sealed.name + ".receipt.json")
    kept.write_text(json.dumps(told["receipt"], sort_keys=True, separators=(",", ":")) + "\n")
    click.echo(f"已递交，第 {told['seq']} 版，收到时间 {told['received_at']}；回执：{kept}")


@click.command("send")
@server_options
@tender_option
@click.argument("unlock_file", type=FILE)
@click.option("--receipt", "receipt_file", type=OUTPUT, help="Where the signed answer goes.")
@click.pass_context
def send(
    context: click.Context, server: str, login: str, password_file: Path | None, tender: int, unlock_file: Path,
    receipt_file: Path | None,
) -> None:  # fmt: skip
    """Send the half key in UNLOCK_FILE (made by `gongheng bid unlock -o`) while unlocking is open.

    \b
    Example:
      gongheng bid send unlock.json --tender 12 --server https://centre.example --login bidder1
    """
    told = json.loads(unlock_file.read_text())
    if not isinstance(told, dict) or set(told) != {"params", "digest", "kb"}:
        raise click.UsageError("这不是 gongheng bid unlock 写出的文件。")
    centre = cast(Line, Line.at(server, login, password_of(password_file)))
    try:
        answer = unlock(centre, tender, told["digest"], told["kb"])
    except (Refused, httpx.TransportError) as no:
        click.echo(str(no), err=True)
        context.exit(WRONG)
    if receipt_file is not None:
        receipt_file.write_text(json.dumps(answer["receipt"], sort_keys=True, separators=(",", ":")) + "\n")
    click.echo("已解密，平台已签收。")


def hand_in(
    centre: Line, tender: int, sealed: Path, signature: bytes, told: Callable[[int], None] = lambda done: None
) -> dict[str, Any]:  # fmt: skip
    """Register, upload, hand in, wait for the verdict; the bid as the API tells it.

    Raises Refused, Cut, httpx.TransportError.
    """
    centre.post(f"/tenders/{tender}/registration", {})
    address = send_file(centre, tender, sealed, told)
    bid = centre.post(
        f"/tenders/{tender}/bids",
        {"upload": address.rpartition("/")[2], "signature": base64.b64encode(signature).decode()},
    )
    until = time.monotonic() + VERIFIED_WITHIN_SECONDS
    while bid["state"] == "verifying" and time.monotonic() < until:
        time.sleep(0.2)
        bid = centre.get(f"/tenders/bids/{bid['id']}")
    if bid["state"] == "sealed":
        _memory(sealed).unlink(missing_ok=True)
    return bid


def send_file(centre: Line, tender: int, sealed: Path, told: Callable[[int], None]) -> str:
    """Bring the whole file to the centre; the upload's address. Goes on where an earlier call stopped."""
    size, cuts = sealed.stat().st_size, 0
    address, offset = _begun(centre, tender, sealed, size)
    with sealed.open("rb") as file:
        while offset < size:
            told(offset)
            file.seek(offset)
            try:
                offset = _piece(centre, address, offset, file.read(PIECE))
                cuts = 0
            except httpx.TransportError as trouble:
                cuts += 1
                if cuts >= TRIES:
                    raise Cut(str(trouble)) from trouble
                time.sleep(min(0.1 * 2**cuts, LONGEST_PAUSE_SECONDS))
                offset = _offset_again(centre, address, offset)
    told(size)
    return address


def unlock(centre: Centre, tender: int, digest: str, kb: str) -> dict[str, Any]:
    """Send the half key of one's own bid with this digest. Raises Refused, httpx.TransportError."""
    for bid in centre.get(f"/tenders/{tender}/bids")["bids"]:
        if bid["digest"] == digest and bid["state"] in ("locked", "unlocked"):
            return centre.post(f"/tenders/bids/{bid['id']}/unlock", {"kb": kb})
    raise Refused(404, "no_such_bid", "没有找到等待解密的这份投标文件。请核对项目编号和文件。")


def _begun(centre: Line, tender: int, sealed: Path, size: int) -> tuple[str, int]:
    """An upload begun earlier for this very file, or a new one: its address, and how much has arrived."""
    memory, stamp = _memory(sealed), {"tender": tender, "size": size, "changed": sealed.stat().st_mtime_ns}
    if memory.exists():
        kept = json.loads(memory.read_text())
        if {name: kept.get(name) for name in stamp} == stamp:
            try:
                return kept["address"], _offset(centre, kept["address"])
            except Refused:
                pass  # it has expired: begin anew
    answer = centre.call("POST", f"/tenders/{tender}/uploads", headers={"Upload-Length": str(size)})
    address = answer.headers["Location"].removeprefix("/api")
    memory.write_text(json.dumps(stamp | {"address": address}))
    return address, 0


def _piece(centre: Line, address: str, offset: int, piece: bytes) -> int:
    """Send one piece; the offset after it, wherever the server says that is."""
    headers = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
    try:
        answer = centre.call("PATCH", address, content=piece, headers=headers)
    except Refused as no:
        if no.code != "wrong_offset":
            raise
        return _offset(centre, address)  # it arrived although its answer did not
    return int(answer.headers["Upload-Offset"])


def _offset(centre: Line, address: str) -> int:
    return int(centre.call("HEAD", address).headers["Upload-Offset"])


def _offset_again(centre: Line, address: str, otherwise: int) -> int:
    try:
        return _offset(centre, address)
    except httpx.TransportError:
        return otherwise  # still cut: the next piece tries again


def _memory(sealed: Path) -> Path:
    return sealed.with_name(sealed.name + ".upload.json")


def _bar(sealed: Path) -> Callable[[int], None]:
    bar = click.progressbar(length=sealed.stat().st_size, label="上传", file=sys.stderr)
    bar.render_progress()

    def told(done: int) -> None:
        bar.update(done - bar.pos)
        if done >= (bar.length or 0):
            bar.render_finish()

    return told
