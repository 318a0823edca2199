"""Alembic's way in: on the connection it was handed, in that connection's transaction."""

from alembic import context

from app import rooms
from storage.db import Base

rooms.models()
connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
context.run_migrations()
