"""`gongheng journal`: show a file of the journal, and check that chains are whole."""

import click
from sqlalchemy import select

from app.config import Settings
from app.equipment import Equipment
from storage import journal as journals


@click.group()
def journal() -> None:
    """Read the journal and check its chains.

    \b
    Examples:
      gongheng journal show tender/1
      gongheng journal check
    """


@journal.command()
@click.argument("file")
def show(file: str) -> None:
    """Print the entries of one file, oldest first."""
    with Equipment.of(Settings()).sessions() as db:
        for entry in journals.entries(db, file):
            who = "system" if entry.by is None else f"person {entry.by}"
            click.echo(f"{entry.number:5d}  {entry.at:%Y-%m-%d %H:%M:%S}  {entry.act:32s} {who:12s} {entry.hash[:16]}")


@journal.command()
@click.argument("files", nargs=-1)
def check(files: tuple[str, ...]) -> None:
    """Recompute the chains of these files, or of all; exit 1 and the first bad entry when one is broken."""
    with Equipment.of(Settings()).sessions() as db:
        names = files or db.scalars(select(journals.Entry.file).distinct().order_by(journals.Entry.file)).all()
        with click.progressbar(names, label="日志", file=click.get_text_stream("stderr")) as listed:
            for name in listed:
                found = journals.is_whole(db, name)
                if not found.ok:
                    raise click.ClickException(f"{name}：第 {found.first_bad} 条与链不符")
    click.echo(f"{len(names)} 个文件的日志链完整")
