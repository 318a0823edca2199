"""Doors of the tenders: pages for people (`pages`) and calls for programs (`api`)."""

from bidding.tenders.views import api as _api
from bidding.tenders.views import api_opening as _api_opening
from bidding.tenders.views import award as _award
from bidding.tenders.views import bids as _bids
from bidding.tenders.views import buyer as _buyer
from bidding.tenders.views import hall as _hall
from bidding.tenders.views import public as _public
from bidding.tenders.views import tus as _tus
from bidding.tenders.views.doors import api, pages

assert all([_api, _api_opening, _award, _bids, _buyer, _hall, _public, _tus])  # they open the doors

__all__ = ["api", "pages"]
