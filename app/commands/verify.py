"""`gongheng verify`: a project's whole evidence, checked by anybody, anywhere, without a server."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from app.commands.draw import HexKey
from app.evidence import checks, container

WRONG, UNREADABLE = 1, 2


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--platform-key", type=HexKey(), help="The platform's key as known from elsewhere (33 bytes in hex).")
@click.option(
    "--trust", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with trust/, chain/, crl/: the CAs that you recognise, instead of those in the bundle.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Everything found, as JSON.")
@click.option("--quiet", is_flag=True, help="No line for each item.")
@click.pass_context
def verify(
    context: click.Context, bundle: Path, platform_key: bytes | None, trust: Path | None, as_json: bool, quiet: bool
) -> None:
    """Check a project's evidence BUNDLE: every byte, chain, draw, opening, score, sum and recording again.

    Exit 0: everything holds. 1: the first wrong item is named. 2: the file cannot be read.

    \b
    Examples:
      gongheng verify tender-12-public.zip
      gongheng verify tender-12-public.zip --platform-key 02ab… --json
      gongheng verify tender-12-supervision.zip --trust ./ca
    """
    loud = not quiet and not as_json
    try:
        read = _read(bundle)
    except OSError as error:
        click.echo(f"cannot be read 无法读取: {error}", err=True)
        context.exit(UNREADABLE)
    except container.Bad as bad:
        outcome = checks.Outcome(bad.item, bad.reason)
    else:
        outcome = checks.verify(read, platform=platform_key, trust=trust, told=_line if loud else _silent)
    click.echo(json.dumps(_told(outcome), ensure_ascii=False, indent=2) if as_json else _printed(outcome))
    context.exit(0 if outcome.ok else WRONG)


def _read(bundle: Path) -> container.Bundle:
    """The bundle with every byte compared; how far it is shows on the terminal."""
    size = bundle.stat().st_size
    done = 0
    with click.progressbar(length=max(size, 1), label="逐字节比对 bytes", file=sys.stderr) as bar:

        def step(path: str) -> None:
            nonlocal done
            done += 1
            bar.update(0, done)
            bar.label = f"逐字节比对 {path[-40:]}"

        read = container.check(bundle, step)
        bar.update(size)
    return read


def _line(path: str, says: str) -> None:
    click.echo(f"  ok  {path}: {says}")


def _silent(path: str, says: str) -> None:
    pass


def _printed(outcome: checks.Outcome) -> str:
    if not outcome.ok:
        return f"wrong 有误: {outcome.first_wrong}: {outcome.reason}"
    lines = [f"note 说明: {remark}" for remark in outcome.remarks]
    return "\n".join([
        *lines, f"good 无误: {outcome.number} {outcome.name}",
        f"{len(outcome.lines)} items 项, made 生成于 {outcome.made_at}, platform 平台 {outcome.key}",
    ])  # fmt: skip


def _told(outcome: checks.Outcome) -> dict[str, Any]:
    return {
        "ok": outcome.ok, "first_wrong": outcome.first_wrong, "reason": outcome.reason, "kind": outcome.kind,
        "number": outcome.number, "name": outcome.name, "state": outcome.state, "scope": outcome.scope,
        "made_at": outcome.made_at, "platform_key": outcome.key,
        "items": [{"item": item, "says": says} for item, says in outcome.lines], "remarks": list(outcome.remarks),
    }  # fmt: skip
