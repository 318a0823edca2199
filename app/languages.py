"""Languages: Chinese is the source; every room brings its own English, merged here when the app starts."""

from functools import cached_property
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask, g, request
from flask_babel import Babel, Domain, get_locale

HOUSE = Path(__file__).resolve().parent.parent
ROOMS = ("app", "evaluation", "bidding", "escrow", "ca", "storage")
LANGUAGES = {"zh": "中文", "en": "English"}


def catalogue_files(language: str = "en") -> list[Path]:
    """All `translations/en.po` files of the house."""
    return sorted(file for room in ROOMS for file in (HOUSE / room).glob(f"**/translations/{language}.po"))


class HouseDomain(Domain):
    """One catalogue made of the rooms' own."""

    @cached_property
    def english(self) -> Translations:
        merged = Translations()
        for file in catalogue_files():
            compiled = BytesIO()
            with file.open("rb") as source:
                write_mo(compiled, read_po(source, locale="en"))
            compiled.seek(0)
            merged.merge(Translations(compiled))
        return merged

    def get_translations(self) -> Translations:
        locale = get_locale()
        return self.english if locale is not None and locale.language == "en" else Translations()


class HouseBabel(Babel):
    """Flask-Babel with the house's catalogue."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        self._domain = HouseDomain()
        super().__init__(*args, **kwargs)

    @property
    def domain_instance(self) -> HouseDomain:
        return self._domain


def chosen() -> str:
    """The language of this request: asked for now, chosen before, or what the browser prefers."""
    asked = request.args.get("lang") or request.cookies.get("lang")
    if asked in LANGUAGES:
        return asked
    return request.accept_languages.best_match(list(LANGUAGES)) or "zh"


def install(app: Flask) -> None:
    """Give the app its languages; `?lang=en` is remembered in a cookie."""
    HouseBabel(app, default_locale="zh", default_timezone="Asia/Shanghai", locale_selector=chosen)

    @app.after_request
    def remember(response):  # type: ignore[no-untyped-def]
        asked = request.args.get("lang")
        if asked in LANGUAGES:
            response.set_cookie("lang", asked, max_age=365 * 86400, samesite="Lax", httponly=True)
        response.headers.setdefault("Content-Language", {"zh": "zh-CN", "en": "en"}[chosen()])
        response.vary.update(["Accept-Language", "Cookie"])
        return response

    @app.before_request
    def large() -> None:
        g.large = request.cookies.get("large") == "1"
