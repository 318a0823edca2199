"""Rights: who acts, in which role, and the label that every door carries."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar


class Role(StrEnum):
    """What somebody comes to the centre as."""

    PROJECT_OWNER = "project_owner"
    PROCURING_ENTITY = "procuring_entity"
    INTERMEDIARY = "intermediary"
    BIDDER = "bidder"
    EXPERT = "expert"
    SUPERVISOR = "supervisor"
    AUTHORITY = "authority"
    KEY_HOLDER = "key_holder"
    CENTRE_STAFF = "centre_staff"


ROLE_NAMES = {
    Role.PROJECT_OWNER: "项目业主",
    Role.PROCURING_ENTITY: "招标人（采购人）",
    Role.INTERMEDIARY: "中介机构",
    Role.BIDDER: "投标人",
    Role.EXPERT: "评标专家",
    Role.SUPERVISOR: "行政监督",
    Role.AUTHORITY: "行业主管部门",
    Role.KEY_HOLDER: "解密密钥持有人",
    Role.CENTRE_STAFF: "交易中心工作人员",
}


@dataclass(frozen=True)
class Actor:
    """Somebody who acts now. `person_id` None is the system itself."""

    person_id: int | None
    name: str = ""
    organisation_id: int | None = None
    roles: frozenset[Role] = field(default_factory=frozenset)
    region_id: int | None = None

    def is_a(self, *roles: Role) -> bool:
        """Whether they hold one of these roles."""
        return bool(self.roles & set(roles))


SYSTEM = Actor(person_id=None, name="系统")

View = TypeVar("View", bound=Callable[..., object])
EVERYBODY: frozenset[Role] = frozenset()


def allow(*roles: Role) -> Callable[[View], View]:
    """Label a door with the roles that may enter; the frame refuses doors without a label.

    `allow()` with no role means: anybody who has logged in.
    """

    def label(view: View) -> View:
        view.allowed = frozenset(roles)  # type: ignore[attr-defined]
        view.is_public = False  # type: ignore[attr-defined]
        return view

    return label


def public(view: View) -> View:
    """Label a door that stands open to everybody, logged in or not."""
    view.allowed = EVERYBODY  # type: ignore[attr-defined]
    view.is_public = True  # type: ignore[attr-defined]
    return view
