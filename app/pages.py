"""Pages: the words every template may use – money, moments, names of states, navigation.

Times are shown in Beijing time with the weekday; amounts in yuan, and in 大写 where the law writes them so.
Nothing here decides anything: a template shows what an act has already judged.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import cn2an
from flask import Flask, current_app, g, request, url_for
from flask_babel import get_locale, gettext
from flask_wtf.csrf import generate_csrf
from jinja2 import Undefined
from markupsafe import Markup, escape

from ca.rights import ROLE_NAMES, Role
from storage import clock
from storage.refusals import Refusal
from storage.values import Money

BEIJING = ZoneInfo("Asia/Shanghai")

WEEKDAYS = {
    "zh": ("周一", "周二", "周三", "周四", "周五", "周六", "周日"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# How a state looks. Colour and sign only repeat what the word says; a row may say more in STATE_TONES.
TONES = {
    "quiet": ("draft", "withdrawn", "closed", "archived", "expired", "planned", "expected"),
    "good": ("selected", "awarded", "contracted", "completed", "signed", "released", "refunded", "paid",
             "admitted", "verified", "held", "ranked", "accepted", "rated", "done", "won", "covered"),
    "stop": ("failed", "cancelled", "rejected", "revoked", "forfeited", "suspended", "blacklisted", "refused"),
    "wait": ("pending", "waiting", "standstill", "due", "submitted", "sending", "sent", "review"),
}  # fmt: skip


@dataclass(frozen=True)
class Place:
    """A line of the main navigation: a door and its name."""

    endpoint: str
    name: str

    def is_open(self) -> bool:
        """Whether the door is there and its label lets this visitor in: nobody is shown a door that stays shut."""
        view = current_app.view_functions.get(self.endpoint)
        if view is None or getattr(view, "is_public", True):
            return view is not None
        actor, allowed = g.get("actor"), getattr(view, "allowed", ())
        return actor is not None and (not allowed or actor.is_a(*allowed))


# The main navigation, in the order of the day.
NAVIGATION = [
    Place("portal.home", "首页"),
    Place("supermarket.index", "中介超市"),
    Place("tenders.index", "招标投标"),
    Place("evaluation.index", "评标"),
    Place("deposits.index", "保证金"),
    Place("holder.index", "密钥"),
    Place("supervision.index", "监督"),
    Place("check.index", "核验"),
    Place("messages.index", "消息"),
]


def language() -> str:
    """The page's language: `zh`, the source, or `en`."""
    return "en" if str(get_locale() or "zh").startswith("en") else "zh"


def language_switch() -> tuple[str, str, str]:
    """The other language: its code for `lang`, its own name, and this page's address in it."""
    code, name, tag = ("zh", "中文", "zh-CN") if language() == "en" else ("en", "English", "en")
    query = [(key, value) for key, value in request.args.items(multi=True) if key != "lang"]
    return tag, name, f"{request.path}?{urlencode([*query, ('lang', code)])}"


# --- amounts ---------------------------------------------------------------------------------------------


def yuan(amount: Money | None) -> str:
    """`1,234.50`: an amount in yuan with its two decimals, for a column whose head says 元."""
    if amount is None:
        return "—"
    sign, whole = ("-" if amount.fen < 0 else ""), abs(amount.fen)
    return f"{sign}{whole // 100:,}.{whole % 100:02d}"


def money(amount: Money | None) -> str:
    """`1,234.50 元` or `CNY 1,234.50`."""
    if amount is None:
        return "—"
    return f"CNY {yuan(amount)}" if language() == "en" else f"{yuan(amount)} 元"


def uppercase(amount: Money) -> str:
    """人民币大写: 10010.05 is 壹万零壹拾元零伍分. Always Chinese: it is a form the law asks for."""
    return str(cn2an.an2cn(str(amount), "rmb"))


# --- moments ---------------------------------------------------------------------------------------------


def beijing(at: datetime) -> datetime:
    """The same moment on a Beijing clock."""
    assert at.tzinfo, "a moment knows its time zone"
    return at.astimezone(BEIJING)


def day(at: datetime | date | None) -> str:
    """`2026年11月22日 周日` or `Sun 22 Nov 2026`."""
    if at is None:
        return "—"
    local = beijing(at).date() if isinstance(at, datetime) else at
    weekday = WEEKDAYS[language()][local.weekday()]
    if language() == "en":
        return f"{weekday} {local.day} {MONTHS[local.month - 1]} {local.year}"
    return f"{local.year}年{local.month}月{local.day}日 {weekday}"


def moment(at: datetime | None, seconds: bool = False) -> str:
    """`2026年11月22日 周日 14:30`: the moment in Beijing time, with seconds where they matter."""
    if at is None:
        return "—"
    return f"{day(at)} {beijing(at):{'%H:%M:%S' if seconds else '%H:%M'}}"


def iso(at: datetime | date | None) -> str:
    """For machines: `2026-11-22T14:30:00+08:00`; empty when there is none."""
    if at is None:
        return ""
    return beijing(at).isoformat() if isinstance(at, datetime) else at.isoformat()


def local_input(at: datetime | date | str | None) -> str:
    """What a date-time field holds: `2026-11-22T14:30`, Beijing time."""
    if isinstance(at, datetime):
        return f"{beijing(at):%Y-%m-%dT%H:%M}"
    return "" if at is None else str(at)


def span(length: timedelta) -> str:
    """`2 天 3 小时`: the two largest units, never less than a second."""
    seconds = max(1, int(abs(length.total_seconds())))
    days, hours, minutes, rest = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60, seconds % 60
    units = [
        (days, gettext("1 天") if days == 1 else gettext("%(n)s 天", n=days)),
        (hours, gettext("1 小时") if hours == 1 else gettext("%(n)s 小时", n=hours)),
        (minutes, gettext("1 分钟") if minutes == 1 else gettext("%(n)s 分钟", n=minutes)),
        (rest, gettext("1 秒") if rest == 1 else gettext("%(n)s 秒", n=rest)),
    ]
    first = next(place for place, (count, _) in enumerate(units) if count)
    return " ".join(words for count, words in units[first : first + 2] if count)


def relative(at: datetime | None) -> str:
    """`2 天 3 小时后`, `5 分钟前`: how far a moment is from now by the server's clock."""
    if at is None:
        return "—"
    away = at - clock.now()
    words = span(away)
    return gettext("%(span)s后", span=words) if away > timedelta(0) else gettext("%(span)s前", span=words)


# --- names and states ------------------------------------------------------------------------------------


def state_name(thing: Any) -> str:
    """The state of a row in the field's words, in the page's language."""
    return gettext(thing.STATE_NAMES[thing.state])


def state_tone(state: Any, tones: dict[Any, str] | None = None) -> str:
    """One of quiet, open, wait, good, stop."""
    if tones and state in tones:
        return tones[state]
    value = str(getattr(state, "value", state))
    return next((tone for tone, states in TONES.items() if value in states), "open")


def role_names(roles: Iterable[Role]) -> list[str]:
    """What somebody comes as, in words."""
    return [gettext(ROLE_NAMES[role]) for role in sorted(roles)]


def told(refusal: Refusal | None) -> str:
    """A refusal's sentence in the page's language."""
    if refusal is None:
        return ""
    return refusal.sentence(gettext) if callable(refusal.sentence) else str(refusal.sentence)


def field_error(name: str) -> str:
    """What is wrong with one field of the form just handed in; empty when nothing is."""
    errors = getattr(g.get("refusal"), "errors", None) or {}
    return gettext(errors[name]) if name in errors else ""


def refusal_is_shown() -> None:
    """A page tells that it shows the refusal itself, so that the frame does not show it again."""
    g.refusal_shown = True


def kept(name: str, otherwise: Any = None) -> Any:
    """What the person had filled in before the refusal, else what the page offers (a field of another form)."""
    given = g.get("given")
    if given is None or g.get("refusal") is None:
        return otherwise
    return given.get(name, otherwise)


def ticked(name: str, otherwise: Any = None) -> bool:
    """Whether a single checkbox is ticked; one that was left empty is not in the posted form."""
    given = g.get("given")
    if not given or g.get("refusal") is None:
        return bool(otherwise)
    return name in given


def kept_all(name: str, otherwise: Iterable[Any] = ()) -> list[str]:
    """The same for a field that takes several values."""
    given = g.get("given")
    if not given or g.get("refusal") is None:
        return [str(value) for value in otherwise]
    if hasattr(given, "getlist"):
        return [str(value) for value in given.getlist(name)]
    value = given.get(name, [])
    return [str(one) for one in (value if isinstance(value, list | tuple) else [value])]


# --- frame ------------------------------------------------------------------------------------------------


def csrf() -> Markup:
    """The hidden field every form carries."""
    return Markup('<input type="hidden" name="csrf_token" value="{}">').format(generate_csrf())


@cache
def _fingerprint(path: Path, changed: float) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]


def asset(name: str) -> str:
    """The address of one of our static files; it changes when the file does, so browsers may keep it."""
    path = Path(current_app.static_folder or "") / name
    return url_for("static", filename=name, v=_fingerprint(path, path.stat().st_mtime))


def places() -> list[Place]:
    """The main navigation of whoever looks at the page."""
    known: list[Place] = current_app.extensions["places"]
    return [place for place in known if place.is_open()]


def is_here(endpoint: str) -> bool:
    """Whether the page is in the room of this navigation line."""
    here = request.endpoint or ""
    return here == endpoint or ("." in endpoint and here.split(".")[0] == endpoint.split(".")[0])


def address(endpoint: str, **values: Any) -> str:
    """`url_for`, or empty when no such door was opened in this application."""
    return url_for(endpoint, **values) if endpoint in current_app.view_functions else ""


def flat(pairs: dict[str, Any]) -> Markup:
    """Attributes of an element from a mapping; None and False are left out, True stands alone."""
    parts = []
    for name, value in pairs.items():
        if value is None or value is False or isinstance(value, Undefined):
            continue
        parts.append(f" {escape(name)}" if value is True else f' {escape(name)}="{escape(value)}"')
    return Markup("".join(parts))  # noqa: S704 - every name and value above is escaped


FILTERS: dict[str, Callable[..., Any]] = {
    "yuan": yuan, "money": money, "uppercase": uppercase, "day": day, "moment": moment, "iso": iso,
    "local_input": local_input, "span": span, "relative": relative, "state_name": state_name,
    "role_names": role_names, "told": told, "flat": flat,
}  # fmt: skip
GLOBALS: dict[str, Callable[..., Any]] = {
    "csrf": csrf, "asset": asset, "places": places, "is_here": is_here, "address": address, "now": clock.now,
    "language": language, "language_switch": language_switch, "role_names": role_names,
    "field_error": field_error, "refusal_is_shown": refusal_is_shown, "kept": kept, "ticked": ticked,
    "kept_all": kept_all, "state_name": state_name, "state_tone": state_tone,
}  # fmt: skip


def install(app: Flask) -> None:
    """Give an application's templates their words and its navigation."""
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(GLOBALS)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions.setdefault("places", NAVIGATION)
