"""`gongheng`: everything that is done at a terminal."""

import importlib
import signal
import sys
import threading
from typing import Any

import click

from storage.refusals import Refusal

# Each command stands in a file of its own and is only imported when it is called.
COMMANDS = {
    "run": "app.commands.run:run",
    "worker": "app.commands.run:worker",
    "recorder": "app.commands.run:recorder",
    "demo": "app.commands.demo:demo",
    "day": "app.commands.day:day",
    "user": "app.commands.user:user",
    "journal": "app.commands.journal:journal",
    "verify": "app.commands.verify:verify",
    "draw": "app.commands.draw:draw",
    "bid": "app.commands.bid:bid",
    "holder": "app.commands.holder:holder",
    "contribute": "app.commands.contribute:contribute",
    "bank": "app.commands.bank:bank",
    "sig": "app.commands.sig:sig",
    "cert": "app.commands.sig:cert",
    "asic": "app.commands.sig:asic",
}


class Commands(click.Group):
    """Commands found by name, loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """A refusal at a terminal is one sentence that says what to do, and exit code 1."""
        try:
            return super().invoke(ctx)
        except Refusal as no:
            raise click.ClickException(str(no)) from no


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="gongheng", prog_name="gongheng")
def main() -> None:
    """公衡 Gongheng: e-procurement and remote bid evaluation that anybody can check.

    \b
    Examples:
      gongheng demo              a small city in full swing, on this machine
      gongheng verify FILE       check a project's evidence offline
      gongheng draw verify FILE  recompute a draw
    """


def until_told_to_stop() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set."""
    stop = threading.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: stop.set())
    return stop


if __name__ == "__main__":
    sys.exit(main())
