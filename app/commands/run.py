"""`gongheng run`, `worker`, `recorder`: the processes of a centre."""

import threading

import click

from app import writing
from app.centre import running
from app.cli import until_told_to_stop
from app.config import Settings
from app.equipment import Equipment


@click.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the web pages (default 8000).")
def run(port: int | None) -> None:
    """Run a centre: database, web, worker and recorder, until stopped.

    \b
    Examples:
      GONGHENG_HOME=/srv/gongheng gongheng run
      DATABASE_URL=postgresql://… gongheng run --port 8080
    """
    settings = Settings() if port is None else Settings().model_copy(update={"port": port})
    stop = until_told_to_stop()
    with running(settings):
        click.echo(f"公衡正在运行：{settings.address}（按 Ctrl-C 停止）")
        stop.wait()


@click.command()
def worker() -> None:
    """Run one worker: it does what is due and runs the queued jobs. Any number may run.

    \b
    Example:
      DATABASE_URL=postgresql://… gongheng worker
    """
    from app import worker as workers

    settings = Settings()
    writing.begin(settings)
    equipment = Equipment.of(settings)
    stop = until_told_to_stop()
    sweeping = threading.Thread(target=workers.run, args=(equipment, stop), name="sweep")
    sweeping.start()
    workers.run_jobs(equipment, stop)
    stop.set()
    sweeping.join()


@click.command()
def recorder() -> None:
    """Run the recorder of evaluation rooms (WebRTC in, segments to the object store).

    \b
    Example:
      DATABASE_URL=postgresql://… gongheng recorder
    """
    from app import recording

    settings = Settings()
    writing.begin(settings)
    recording.run(Equipment.of(settings))
