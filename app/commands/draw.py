"""`gongheng draw`: check a draw from its bundle, or choose by published lottery figures. Works offline."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ca.draws import rfc3797
from ca.draws.chance import CannotDraw
from ca.draws.verify import Outcome
from ca.draws.verify import verify as check

WRONG, UNREADABLE = 1, 2


@click.group()
def draw() -> None:
    """摇号: check a draw, or repeat one by RFC 3797. Nothing here needs a server.

    \b
    Examples:
      gongheng draw verify bundle.json
      gongheng draw verify bundle.json --platform-key 02ab… --json
      gongheng draw rfc3797 --pool 25 --pick 16 '9319' '2 5 12 8 10' '9 18 26 34 41 45'
    """


class HexKey(click.ParamType):
    """A public key as 33 bytes in lower-case hex."""

    name = "hex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        try:
            key = value if isinstance(value, bytes) else bytes.fromhex(value)
        except ValueError:
            key = b""
        if len(key) != 33:
            self.fail("a public key is 33 bytes in hex", param, ctx)
        return key


@draw.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--platform-key", type=HexKey(), help="The platform's key as known from elsewhere (33 bytes in hex).")
@click.option("--json", "as_json", is_flag=True, help="Everything found, as JSON.")
@click.pass_context
def verify_bundle(context: click.Context, bundle: Path, platform_key: bytes | None, as_json: bool) -> None:
    """Recompute a draw from BUNDLE alone: who could be drawn, pool, releases, seed, order.

    Exit 0: everything holds. 1: the first wrong item is named. 2: the file cannot be read.

    \b
    Example:
      gongheng draw verify bundle.json
    """
    try:
        raw = bundle.read_bytes()
    except OSError as error:
        click.echo(f"cannot be read 无法读取: {error}", err=True)
        context.exit(UNREADABLE)
    outcome = check(raw, platform=platform_key)
    click.echo(json.dumps(_told(outcome), ensure_ascii=False, indent=2) if as_json else _printed(outcome))
    context.exit(0 if outcome.ok else WRONG)


def _printed(outcome: Outcome) -> str:
    if not outcome.ok:
        return f"wrong 有误: {outcome.first_wrong}\nSHA-256 {outcome.sha256}"
    lines = ["good 无误", f"project 项目: {outcome.project}"]
    if outcome.seed:
        lines.append(f"seed 种子: {outcome.seed}")
    for purpose, drawn in outcome.winners.items():
        lines.append(f"{purpose}: {drawn if isinstance(drawn, str) else ' '.join(drawn)}")
        order = outcome.order[purpose]
        if not isinstance(order, str):
            lines += [f"  {place:>4}  {label}" for place, label in enumerate(order, 1)]
    lines += [f"void 无效: contribution of {label} ({why})" for label, why in outcome.void.items()]
    lines += [f"absent 缺席: {label}" for label in outcome.absent]
    lines += [f"note 说明: {remark}" for remark in outcome.remarks]
    return "\n".join([*lines, f"SHA-256 {outcome.sha256}"])


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "ok": outcome.ok,
        "first_wrong": outcome.first_wrong,
        "sha256": outcome.sha256,
        "project": outcome.project,
        "seed": outcome.seed,
        "winner": outcome.winner,
        "winners": dict(outcome.winners),
        "order": dict(outcome.order),
        "void": dict(outcome.void),
        "absent": list(outcome.absent),
        "remarks": list(outcome.remarks),
    }


@draw.command("rfc3797")
@click.argument("sources", nargs=-1, required=True)
@click.option("--pool", type=click.IntRange(1, rfc3797.LARGEST_POOL), required=True, help="How many there are.")
@click.option("--pick", type=click.IntRange(1), required=True, help="How many are drawn.")
@click.option(
    "--bits", type=float, help="Entropy of the sources as the notice states it (default: a careful estimate)."
)
def by_figures(sources: Sequence[str], pool: int, pick: int, bits: float | None) -> None:
    """Choose by published figures (RFC 3797): one SOURCE per argument, its figures with spaces between.

    Prints the positions drawn, in order, one a line. Exit 1 when the figures hold too little chance.

    \b
    Example:
      gongheng draw rfc3797 --pool 25 --pick 16 '9319' '2 5 12 8 10' '9 18 26 34 41 45'
    """
    try:
        figures = [rfc3797.figures(source) for source in sources]
        held = rfc3797.held(figures) if bits is None else bits
        positions = rfc3797.choose(pool, pick, figures, held)
    except CannotDraw as error:
        raise click.ClickException(str(error)) from error
    click.echo("\n".join(str(position) for position in positions))
