"""The recorder's process, put together: who may send or watch (tickets), where segments go, which sessions run."""

from collections.abc import Iterable
from datetime import timedelta

from app import rooms
from app.equipment import Equipment
from evaluation.recorder import process
from evaluation.recorder.tickets import Ticket

AUDIENCE = "room"
KEPT = timedelta(days=365 * 15 + 4)  # 政府采购法 art. 42: at least fifteen years


def run(equipment: Equipment) -> None:
    """Record until stopped."""
    settings = equipment.settings
    process.run(
        process.Settings(
            spool=settings.home / "spool",
            store=equipment.objects,
            authorise=lambda token: ticket_of(equipment, token),
            signer=equipment.platform_key,
            app_bearer=settings.secret("recorder.key").hex(),
            host=settings.host,
            port=settings.recorder_port,
            origins=(settings.address, f"http://{settings.host}:{settings.port}"),
            loopback=settings.recorder_loopback,
            retained=None if settings.mode != "production" else KEPT,
            open_sessions=lambda: open_sessions(equipment),
        )
    )


def ticket_of(equipment: Equipment, token: str) -> Ticket:
    """What a room token says; a bad one is refused by `ca.tokens`."""
    claims = equipment.tokens.read(token, AUDIENCE)
    return Ticket(
        session=str(claims["session"]), participant=str(claims["sub"]), role=str(claims["role"]),
        may_publish=claims["publish"] is True, may_watch=claims["watch"] is True,
    )  # fmt: skip


def open_sessions(equipment: Equipment) -> Iterable[process.OpenSession]:
    """The sessions that are running by their rows, for a recorder that has just started."""
    with equipment.sessions() as db:
        for name, zero_ms, participants in rooms.running_sessions(db):
            yield process.OpenSession(name, zero_ms, tuple(participants))
