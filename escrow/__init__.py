"""The strongroom 金库: other people's money, to the fen.

It speaks of deposits, holds, releases, forfeits, movements, guarantees and banks. It knows a `reference`
and a party, and never why somebody pays: the rooms above order, this room obeys and counts.
"""
