"""The database's shape: brought up to date by migrations, each of which a test takes up, down and up.

Until the first release there is one migration, `0001`, which makes what the models and the rooms' own DDL say.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, text

from app import rooms
from storage import clock, jobs, journal
from storage.db import Base

HERE = Path(__file__).resolve().parent / "migrations"
APPEND_ONLY = "journal"


def configuration(connection: Connection | None = None) -> Config:
    """Alembic's settings, without a file of its own."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["connection"] = connection
    return config


def upgrade(engine: Engine, to: str = "head") -> None:
    """Bring a database up to date; safe to repeat, and safe for several processes at once."""
    with engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(7203)"))
        command.upgrade(configuration(connection), to)


def make(connection: Connection) -> None:
    """Everything at once, as the models say it (the first migration, and tests)."""
    rooms.models()
    connection.execute(text(clock.CREATE_CLOCK))
    Base.metadata.create_all(connection)
    connection.exec_driver_sql(journal.PROTECT)
    for install in rooms.ddl():
        install(connection)
    jobs.install(connection)
    take_rights(connection)


def take_rights(connection: Connection) -> None:
    """What the application's role may not do, whatever its code says: change the past."""
    role = connection.scalar(text("SELECT 1 FROM pg_roles WHERE rolname = 'gongheng_app'"))
    if role:
        for table in (APPEND_ONLY, *rooms.append_only()):
            connection.exec_driver_sql(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM gongheng_app")


def unmake(connection: Connection) -> None:
    """Back to an empty database: everything of ours, data included."""
    connection.exec_driver_sql("DROP OWNED BY CURRENT_USER CASCADE")
