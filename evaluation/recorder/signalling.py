"""信令: WHIP (RFC 9725) to send, WHEP to watch, and the app's own words to open and close a session."""

import hmac
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from aiohttp import web

from ca import canonical
from evaluation.recorder.archived import Archived, Closed
from evaluation.recorder.engine import BadOffer, Connection
from evaluation.recorder.session import Session
from evaluation.recorder.spool import NAME
from evaluation.recorder.tickets import Authorise, Ticket
from storage.objects import OutOfReach

log = logging.getLogger(__name__)
LONGEST_OFFER = 64 * 1024
LONGEST_EVENTS = 1024 * 1024
SOURCES = ("camera", "screen")
MOST_CONNECTIONS = 48  # of one participant at a time: his camera, his screen, and everybody else's
SDP = "application/sdp"


class Recorder(Protocol):
    """What the signalling needs of the process: its sessions, and how one begins."""

    def runs(self, name: str) -> bool: ...
    async def find(self, name: str) -> Session | Archived | None: ...
    async def begin(self, name: str, zero_ms: int, participants: list[str]) -> Session | Archived: ...
    def health(self) -> dict[str, Any]: ...


def problem(status: int, code: str, detail: str = "", **headers: str) -> web.Response:
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "code": code}
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/problem+json", headers=headers
    )


class Signalling:
    """The doors of the recorder. Browsers come with a ticket, the app with its own bearer."""

    def __init__(self, recorder: Recorder, *, authorise: Authorise, app_bearer: str, origins: tuple[str, ...]) -> None:
        self._recorder = recorder
        self._authorise = authorise
        self._app_bearer = app_bearer
        self.origins = origins
        self._connections: dict[str, tuple[Ticket, Connection]] = {}

    def app(self) -> web.Application:
        app = web.Application(client_max_size=LONGEST_EVENTS, middlewares=[self._frame])
        app.add_routes([
            web.post("/whip/{session}", self.whip), web.post("/whep/{session}/{name}", self.whep),
            web.delete("/whip/{session}/{id}", self.leave), web.delete("/whep/{session}/{name}/{id}", self.leave),
            web.patch("/whip/{session}/{id}", self.no_patch), web.patch("/whep/{session}/{name}/{id}", self.no_patch),
            web.post("/sessions/{session}", self.open), web.delete("/sessions/{session}", self.close),
            web.get("/sessions/{session}", self.show), web.post("/sessions/{session}/events", self.events),
            web.get("/healthz", self.health),
        ])  # fmt: skip
        return app

    # --- around every request ---

    @web.middleware
    async def _frame(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:  # aiohttp passes the next one under the name `handler`
        try:
            preflight = request.method == "OPTIONS"
            response = web.Response(status=204, headers={"Accept-Post": SDP}) if preflight else await handler(request)
        except web.HTTPException as exc:
            response = problem(exc.status, exc.reason.lower().replace(" ", "_"))
        except OutOfReach:
            response = problem(503, "store_away", "the store does not answer now", **{"Retry-After": "5"})
        except Closed:
            response = problem(409, "session_not_open")
        except BadOffer as exc:
            response = problem(400, "bad_offer", str(exc)[:200])
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            response = problem(500, "internal_error")
        response.headers.update(self._cross_origin(request.headers))
        return response

    def _cross_origin(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("Origin", "")
        if origin not in self.origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Methods": "POST, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Expose-Headers": "Location, ETag, Retry-After",
            "Access-Control-Max-Age": "600",
            "Vary": "Origin",
        }

    def _bearer(self, request: web.Request) -> str:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" else ""

    def _ticket(self, request: web.Request) -> Ticket | None:
        """The ticket of whoever asks, if it is for this session."""
        token = self._bearer(request)
        try:
            ticket = self._authorise(token) if token else None
        except Exception as exc:  # the app's refusal, whatever its class
            log.info("a token was refused: %s", type(exc).__name__)
            return None
        if ticket is None or ticket.session != request.match_info["session"]:
            return None
        return ticket if NAME.fullmatch(ticket.participant) else None

    # --- browsers ---

    async def _offer(self, request: web.Request) -> str:
        if request.content_type != SDP:
            raise web.HTTPUnsupportedMediaType
        if (request.content_length or 0) > LONGEST_OFFER:
            raise web.HTTPRequestEntityTooLarge(LONGEST_OFFER, request.content_length or 0)
        body = await request.content.read(LONGEST_OFFER + 1)
        if len(body) > LONGEST_OFFER:
            raise web.HTTPRequestEntityTooLarge(LONGEST_OFFER, len(body))
        try:
            return body.decode()
        except UnicodeDecodeError:
            raise BadOffer("not text") from None

    def _created(self, request: web.Request, ticket: Ticket, number: str, connection: Connection) -> web.Response:
        self._connections[number] = (ticket, connection)
        location = f"{request.path}/{number}"
        return web.Response(
            status=201, text=connection.answer, content_type=SDP,
            headers={"Location": location, "ETag": f'"{number}"'},
        )  # fmt: skip

    def _refused(self) -> web.Response:
        return problem(
            401, "not_admitted", "a valid ticket of this session is needed", **{"WWW-Authenticate": "Bearer"}
        )

    async def whip(self, request: web.Request) -> web.Response:
        ticket = self._ticket(request)
        if ticket is None:
            return self._refused()
        session = await self._recorder.find(ticket.session)
        if not ticket.may_publish:
            return problem(403, "may_not_publish")
        if not isinstance(session, Session) or not session.is_open:
            return problem(409, "session_not_open")
        source = request.query.get("source", "camera")
        if source not in SOURCES:
            return problem(422, "unknown_source")
        if self._too_many(ticket):
            return problem(429, "too_many_connections", **{"Retry-After": "5"})
        number = secrets.token_urlsafe(12)
        offer = await self._offer(request)
        connection = await session.publish(ticket.participant, source, offer, lambda: self._forget(number))
        return self._created(request, ticket, number, connection)

    async def whep(self, request: web.Request) -> web.Response:
        ticket = self._ticket(request)
        if ticket is None:
            return self._refused()
        session = await self._recorder.find(ticket.session)
        if not ticket.may_watch:
            return problem(403, "may_not_watch")
        if not isinstance(session, Session) or not session.is_open:
            return problem(409, "session_not_open")
        if self._too_many(ticket):
            return problem(429, "too_many_connections", **{"Retry-After": "5"})
        number = secrets.token_urlsafe(12)
        offer = await self._offer(request)
        name = request.match_info["name"]
        connection = await session.play(name, offer, lambda: self._forget(number))
        if connection is None:
            return problem(409, "nobody_there", "nobody sends on this track now", **{"Retry-After": "2"})
        return self._created(request, ticket, number, connection)

    def _too_many(self, ticket: Ticket) -> bool:
        mine = [owner for owner, _ in self._connections.values() if owner.participant == ticket.participant]
        return len(mine) >= MOST_CONNECTIONS

    def _forget(self, number: str) -> None:
        self._connections.pop(number, None)

    async def leave(self, request: web.Request) -> web.Response:
        ticket = self._ticket(request)
        owner, connection = self._connections.get(request.match_info["id"], (None, None))
        if ticket is None:
            return self._refused()
        if connection is None or owner is None or owner.participant != ticket.participant:
            return problem(404, "not_found")
        self._forget(request.match_info["id"])
        await connection.close()
        return web.Response(status=200)

    async def no_patch(self, request: web.Request) -> web.Response:
        """Neither trickle ICE nor ICE restarts (RFC 9725 4.3): a client posts a new offer instead."""
        return problem(501, "not_implemented", "post a new offer instead")

    # --- the app ---

    def _from_app(self, request: web.Request) -> None:
        if not hmac.compare_digest(self._bearer(request).encode(), self._app_bearer.encode()):
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})

    async def _json(self, request: web.Request) -> Any:
        try:
            return json.loads(await request.read())
        except ValueError:
            raise web.HTTPBadRequest from None

    async def open(self, request: web.Request) -> web.Response:
        self._from_app(request)
        name, body = request.match_info["session"], await self._json(request)
        zero, participants = (body.get("zero"), body.get("participants")) if isinstance(body, dict) else (None, None)
        fine = isinstance(zero, int) and isinstance(participants, list) and NAME.fullmatch(name)
        if not fine or not all(isinstance(one, str) and NAME.fullmatch(one) for one in participants or []):
            return problem(422, "not_a_session", "zero (UTC ms) and participants are needed")
        known = self._recorder.runs(name)
        session = await self._recorder.begin(name, int(zero or 0), list(participants or []))
        return web.json_response(session.standing(), status=200 if known or not session.is_open else 201)

    async def _session(self, request: web.Request) -> Session | Archived:
        self._from_app(request)
        name = request.match_info["session"]
        session = await self._recorder.find(name) if NAME.fullmatch(name) else None
        if session is None:
            raise web.HTTPNotFound
        return session

    async def close(self, request: web.Request) -> web.Response:
        session = await self._session(request)
        await session.close()
        return web.json_response(session.standing())

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response((await self._session(request)).standing())

    async def events(self, request: web.Request) -> web.Response:
        session, events = await self._session(request), await self._json(request)
        if not isinstance(events, list) or not all(map(_is_event, events)):
            return problem(422, "not_events", "a list of {at_ms, kind, facts} is needed")
        return web.json_response({"places": await session.events(events)}, status=201)

    async def health(self, request: web.Request) -> web.Response:
        return web.json_response(self._recorder.health())


def _is_event(event: Any) -> bool:
    if not isinstance(event, dict) or set(event) != {"at_ms", "kind", "facts"}:
        return False
    if not isinstance(event["kind"], str) or not re.fullmatch(r"[a-z_.]{1,64}", event["kind"]):
        return False
    try:
        canonical.encode(event)
    except canonical.NotCanonical:
        return False
    return isinstance(event["at_ms"], int) and isinstance(event["facts"], dict)
