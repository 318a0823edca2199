"""Doors of the strongroom: the party's own deposits, the centre's after the opening, the bank's call."""

from apiflask import APIBlueprint
from flask import Blueprint

pages = Blueprint("deposits", __name__, url_prefix="/deposits", template_folder="../templates")
api = APIBlueprint("deposits_api", __name__, url_prefix="/api/deposits", tag="保证金 deposits")
bank_api = APIBlueprint("bank_api", __name__, url_prefix="/api/bank", tag="银行 bank")

from escrow.views import bank, centre, party, programs, reconciling  # noqa: E402, F401
