"""What every request, job and command may use, made from the settings once per process."""

from dataclasses import dataclass
from typing import Any

from flask import Response
from sqlalchemy.orm import Session, sessionmaker

from app import requests, rooms
from app.config import Settings
from ca.ecdsa import PlatformKey
from ca.tokens import Tokens
from storage import db


@dataclass(frozen=True)
class Equipment:
    """The database, the object store, the platform's keys."""

    settings: Settings
    sessions: sessionmaker[Session]
    objects: Any
    tokens: Tokens
    platform_key: PlatformKey

    @classmethod
    def of(cls, settings: Settings) -> "Equipment":
        """Equipment for one process; the database's address must be known by now."""
        if settings.database_url is None:
            raise LookupError("没有数据库地址：请先启动 gongheng run，或设置 DATABASE_URL。")
        from storage import objects

        rooms.models()
        makes = db.sessions(db.connect(settings.database_url))
        equipment = cls(
            settings=settings,
            sessions=makes,
            objects=objects.from_settings(settings.objects_url, settings.home),
            tokens=Tokens(settings.keys_folder / "tokens.key"),
            platform_key=PlatformKey.at(settings.keys_folder),
        )
        makes.configure(info={"equipment": equipment})  # a job finds it as db.info["equipment"]
        return equipment

    def give_cookie(self, response: Response, token: str) -> None:
        """Hand a browser its session token."""
        requests.give_cookie(response, token)
