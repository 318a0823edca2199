"""招标投标: one tender from its notice to its contract.

The files are the acts in the order of the day: `notices` and `documents` (publish, read free of charge),
`registration` (blind, one random row per bidder), `uploads` (resumable), `submission` (sealed, signed, with
a receipt), `opening` (freeze, unlock, close, open), `awards`, `contracts`, `evidence`. What the law says in
numbers stands in `rules/`, as data with its article.
"""
