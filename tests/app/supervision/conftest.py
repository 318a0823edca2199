"""The evaluation room's stage, and a supervisor of another city."""

import pytest

from ca import parties
from ca.rights import Role
from tests.evaluation.conftest import cas, money, opened, recognised, room, stage  # noqa: F401
from tests.evaluation.views.conftest import doors  # noqa: F401


@pytest.fixture
def elsewhere(room):  # noqa: F811
    """A supervisor of another city."""
    far = parties.add_region(room.db, "619900", "远方市")
    person = parties.add_person(room.db, "外地监督", "faraway", Role.SUPERVISOR, region=far)
    return person.actor
