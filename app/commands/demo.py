"""`gongheng demo`: a small city in full swing on this machine."""

import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from app.cli import until_told_to_stop
from app.day import play
from app.demo import cast, centre


@click.command()
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), default=Path("var/demo"), show_default=True)
@click.option("--day/--no-day", default=False, help="Also play a day, to watch it in the browser.")
def demo(home: Path, day: bool) -> None:
    """Start a demo centre on 127.0.0.1 and print its address and one login for each role.

    \b
    Examples:
      gongheng demo
      gongheng demo --day          and watch a whole day being played
    """
    console = Console()
    settings = centre.settings_for(home.absolute(), fixed=True)
    stop = until_told_to_stop()
    with console.status("正在启动演示中心 … starting the demo centre"):
        started = centre.running(settings)
        running, given = started.__enter__()
    try:
        console.print(f"\n公衡 Gongheng  [bold]{settings.address}[/bold]   (Ctrl-C 停止 / to stop)\n")
        table = Table("角色 role", "用户名 login", "密码 password", box=None, pad_edge=False)
        for player in [
            cast.OWNER_1, cast.INTERMEDIARIES[0], cast.ENTITY_1, cast.BIDDERS[0], cast.EXPERTS[0], cast.SUPERVISOR_1,
            cast.AUTHORITY_1, cast.STAFF_1, cast.ENTITY_HOLDER,
        ]:  # fmt: skip
            table.add_row(player.name, player.login, given.of(player))
        console.print(table)
        console.print("\n看一天 watch a day:  make watch-a-day   (in a second terminal)\n")
        if day:
            with tempfile.TemporaryDirectory(prefix="gongheng-day-") as folder:
                play.on(running.settings, given, Path(folder), console)
        stop.wait()
    finally:
        started.__exit__(None, None, None)


