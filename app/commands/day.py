"""`gongheng day`: a whole day at the centre, played through its doors."""

import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console

from app.demo import centre, founding


@click.command()
@click.option("--temporary", is_flag=True, help="Start a centre of its own in a temporary folder, and stop it after.")
@click.option("--home", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Home of a running demo.")
@click.option("--server", help="Address of that demo, as it printed it.")
@click.option("--pace", type=click.FloatRange(0.5, 20), default=1.0, show_default=True, help="Longer periods: 2, 3 …")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep what the day made here.")
def day(temporary: bool, home: Path | None, server: str | None, pace: float, keep: Path | None) -> None:
    """Play a whole day: a draw, a tender, deposits, a recorded evaluation, an award, and the evidence of it all.

    Exit 0 when everything came out and every bundle was verified; otherwise the step that did not is named.

    \b
    Examples:
      gongheng day --temporary
      gongheng day --home var/demo --server http://127.0.0.1:8000
    """
    from app.day import play

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started here is stopped
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="gongheng-day-"))
    try:
        if temporary:
            settings = centre.settings_for(folder / "home", fixed=False)
            with centre.running(settings) as (running, given):
                play.on(running.settings, given, folder, console, pace)
        elif home is not None and server is not None:
            settings = centre.settings_of_running(home.absolute(), server)
            play.on(settings, founding.passes(settings), folder, console, pace)
        else:
            raise click.UsageError("Give --temporary, or --home and --server of a running demo.")
    finally:
        if keep is not None:
            shutil.copytree(folder, keep, dirs_exist_ok=True, ignore=shutil.ignore_patterns("home"))
        shutil.rmtree(folder, ignore_errors=True)
