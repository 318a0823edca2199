"""The trading hall 交易大厅: every way a buyer finds a supplier.

It speaks of notices, registrations, bids, openings, selections, awards and challenges. Each way of buying
has a folder of its own; they may share functions, but none knows another.
"""
