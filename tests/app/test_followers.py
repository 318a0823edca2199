"""A follower follows every entry once, in order, also those that commit late."""

from app import followers
from storage import journal


def follow_into(seen):
    return followers.reading(lambda db, entry, equipment: seen.append(entry.act))


def test_each_entry_is_followed_once(database):
    seen: list[str] = []
    read = follow_into(seen)
    for act in ("one", "two"):
        with database.begin() as db:
            journal.record(db, "tender/1", act, by=None)
        with database.begin() as db:
            read(db, "reader", None)
            read(db, "reader", None)

    assert seen == ["one", "two"]
    with database.begin() as db:
        assert followers.waiting("reader")(db) == []


def test_an_entry_that_commits_late_is_not_passed_over(database):
    seen: list[str] = []
    read = follow_into(seen)
    with database() as late:
        journal.record(late, "tender/1", "late", by=None)
        with database.begin() as db:
            journal.record(db, "tender/2", "early", by=None)
        with database.begin() as db:
            read(db, "reader", None)
        assert seen == []  # the older transaction is still under way
        late.commit()
    with database.begin() as db:
        read(db, "reader", None)

    assert seen == ["late", "early"]


def test_work_undone_leaves_the_place_where_it_was(database):
    seen: list[str] = []
    with database.begin() as db:
        journal.record(db, "tender/1", "one", by=None)
    with database() as db:
        follow_into(seen)(db, "reader", None)
        db.rollback()
    with database.begin() as db:
        follow_into(seen)(db, "reader", None)

    assert seen == ["one", "one"]
