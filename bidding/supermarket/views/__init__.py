"""Doors of the supermarket: pages for people (`pages`) and calls for programs (`api`)."""

from bidding.supermarket.views import api as calls
from bidding.supermarket.views import catalogue, hall, owner, participants, projects  # each opens its doors
from bidding.supermarket.views.doors import api, pages

# Doors of which no log, figure or trace may take notice: they would count the registrations (`draws.md`, 2).
UNSEEN = frozenset(
    f"{door}.{view}"
    for door, views in {
        "supermarket": ("registering", "register", "receipt", "leaving", "leave"),
        "supermarket_api": ("register", "receipt", "withdraw_registration"),
    }.items()
    for view in views
)

__all__ = ["UNSEEN", "api", "calls", "catalogue", "hall", "owner", "pages", "participants", "projects"]
