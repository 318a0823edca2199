"""The worker's sweep, in a test's own transaction."""

from bidding.tenders import due, unsealing


def sweep(app, stage) -> None:
    """Do what the worker would do now; jobs it orders are done at once."""
    tools = app.extensions["house"]
    stage.db.expire_all()
    for name, find, act in due.DUE:
        for id_ in find(stage.db):
            if name == "tenders.open_bid":
                unsealing.open_bid(stage.db, stage.store, id_, recognised=due.recognised_by(tools))
            else:
                act(stage.db, id_, tools)
    stage.db.flush()
