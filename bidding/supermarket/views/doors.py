"""The supermarket's two blueprints, and what every door of it needs."""

from apiflask import APIBlueprint
from flask import Blueprint, g

from bidding.supermarket import contributions
from bidding.supermarket.keys import Keys
from bidding.supermarket.models import Project, State
from ca.rights import Role
from storage.db import find, take
from storage.refusals import NotFound

pages = Blueprint("supermarket", __name__, url_prefix="/supermarket", template_folder="../templates")
api = APIBlueprint("supermarket_api", __name__, url_prefix="/api/supermarket", tag="中介超市 intermediary supermarket")


def keys() -> Keys:
    """The keys of this process."""
    return Keys.at(g.house.settings.keys_folder, g.platform_key)


def seen(project_id: int, *, to_change: bool = False) -> Project:
    """A project that this visitor may see; what one may not see answers as if it were absent."""
    project = (take if to_change else find)(g.db, Project, project_id)
    if not may_see(project):
        raise NotFound(what=Project.called)
    return project


def may_see(project: Project) -> bool:
    """Drafts are the owner's and the supervisor's; whatever was published once is everybody's."""
    if project.published_at is not None:
        return True
    if g.actor is None:
        return False
    mine = g.actor.is_a(Role.PROJECT_OWNER) and g.actor.organisation_id == project.owner_id
    watched = g.actor.is_a(Role.SUPERVISOR) and contributions.oversees(g.actor, project)
    return mine or (watched and project.state is not State.DRAFT)


def is_mine() -> bool:
    """Whether the visitor is a project owner at all."""
    return g.actor is not None and g.actor.is_a(Role.PROJECT_OWNER)
