"""Doors of the evaluation room: pages for people (`pages`) and calls for programs (`api`)."""

from evaluation.views import api as _api
from evaluation.views import api_panel as _api_panel
from evaluation.views.doors import api, pages

assert all([_api, _api_panel])  # they open the doors

__all__ = ["api", "pages"]
