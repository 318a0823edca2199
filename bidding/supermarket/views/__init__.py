"""Doors of the supermarket: pages for people (`pages`) and calls for programs (`api`)."""

from bidding.supermarket.views import api as _api
from bidding.supermarket.views import catalogue as _catalogue
from bidding.supermarket.views import hall as _hall
from bidding.supermarket.views import owner as _owner
from bidding.supermarket.views import participants as _participants
from bidding.supermarket.views import projects as _projects
from bidding.supermarket.views.doors import api, pages

assert _api and _catalogue and _hall and _owner and _participants and _projects  # they open the doors

__all__ = ["api", "pages"]
