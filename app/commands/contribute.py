"""`gongheng contribute`: an owner or supervisor seals 32 bytes of chance to a draw's key holders.

The bytes are made on this machine, go into one box under lock C, and are kept nowhere. Before sealing, the
notice is checked: signed by owner and platform, and of the very parameters to which the box is sealed.
"""

import hashlib
from pathlib import Path
from typing import Any

import click
import httpx

from app.commands.calling import Centre, Refused, password_of, server_options
from ca import ecdsa
from ca.draws import pool
from ca.draws.shapes import Wrong
from ca.sealing import box
from ca.sealing.faults import ParamsWrong
from ca.sealing.params import Params


class NotWhatWasPublished(click.ClickException):
    """The notice and the parameters do not belong together; nothing was sealed."""


@click.command()
@server_options
@click.option("--project", required=True, type=click.IntRange(min=1), help="Number in the project's address.")
def contribute(server: str, login: str, password_file: Path | None, project: int) -> None:
    """Seal a contribution to a project's draw and hand it in. Again: the newest counts.

    \b
    Example:
      gongheng contribute --server http://127.0.0.1:8000 --project 12 --login owner1 --password-file pw
    """
    centre = Centre.at(server, login, password_of(password_file))
    try:
        label, seq = seal(centre, project)
    except (Refused, httpx.TransportError) as trouble:
        raise click.ClickException(str(trouble)) from None
    click.echo(f"已密封并提交：{label}，第 {seq} 份")


def seal(centre: Centre, project: int) -> tuple[str, int]:
    """Seal and hand in; the label and its seq. Raises NotWhatWasPublished, Refused, httpx.TransportError."""
    path = f"/supermarket/projects/{project}"
    told = centre.get(path)
    if not told["label"] or not told["params"]:
        raise click.ClickException("您不是本项目列明的随机数提供方，或者公告还没有发布。")
    published = centre.get(f"{path}/notice")
    params = checked(told["params"], published["notice"], published["signatures"])
    seq = told["contributed"].get(told["label"], 0) + 1
    centre.post(f"{path}/contributions", {"box": box.contribute(params, told["label"], seq).box.hex()})
    return told["label"], seq


def checked(text: str, notice: dict[str, Any], signatures: dict[str, str]) -> Params:
    """The parameters, when the signed notice is of them. Raises NotWhatWasPublished."""
    try:
        params = Params.read(text.encode())
        pool.check_notice(notice)
    except (ParamsWrong, Wrong) as wrong:
        raise NotWhatWasPublished(f"公告或参数不对：{wrong}") from None
    if notice["params"] != hashlib.sha256(text.encode()).hexdigest() or notice["opening"] != params.opening:
        raise NotWhatWasPublished("参数不是公告锁定的那一份。")
    for who in ("owner", "platform"):
        signature = bytes.fromhex(signatures[who])
        if not ecdsa.verify(bytes.fromhex(notice["signers"][who]), pool.notice_signed(notice), signature):
            raise NotWhatWasPublished("公告的签名不成立。")
    return params
