"""Doors of the supermarket: pages for people (`pages`) and calls for programs (`api`)."""

from bidding.supermarket.views import api as calls
from bidding.supermarket.views import catalogue, hall, owner, participants, projects  # each opens its doors
from bidding.supermarket.views.doors import api, pages

__all__ = ["api", "calls", "catalogue", "hall", "owner", "pages", "participants", "projects"]
