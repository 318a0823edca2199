"""Doors of the evaluation room: pages for people (`pages`) and calls for programs (`api`)."""

from evaluation.views import api as _api
from evaluation.views import api_panel as _api_panel
from evaluation.views import centre as _centre
from evaluation.views import hall as _hall
from evaluation.views import listing as _listing
from evaluation.views import panel as _panel
from evaluation.views import room as _room
from evaluation.views.doors import api, pages

assert all([_api, _api_panel, _centre, _hall, _listing, _panel, _room])  # they open the doors

__all__ = ["api", "pages"]
