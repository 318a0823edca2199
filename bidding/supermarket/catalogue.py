"""事项与入驻 Service items, and the intermediaries admitted for them.

Admission stands here in its first form: the authority that keeps an item admits an organisation for it,
for a time, and says how it stands.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from bidding.supermarket.models import Admission, ServiceItem, Standing
from ca.parties import Organisation
from ca.rights import Actor, Role
from storage import journal
from storage.db import take
from storage.refusals import NotValid, NotYours


class NotTheAuthority(NotYours):
    says = "这项由主管该事项的行业主管部门办理。请用主管部门的账号登录。"


class ItemExists(NotValid):
    says = "事项编码“{code}”已经存在。请换一个编码，或修改原事项。"


class WrongPeriod(NotValid):
    says = "有效期的结束必须晚于开始。请改正有效期。"


def add_item(db: Session, code: str, name: str, *, requirement: str = "", law: str = "", by: Actor) -> ServiceItem:
    """A new item of the catalogue, kept by the authority that adds it."""
    if not by.is_a(Role.AUTHORITY) or by.organisation_id is None:
        raise NotTheAuthority
    if db.scalar(select(ServiceItem.id).filter_by(code=code)):
        raise ItemExists(code=code)
    item = ServiceItem(code=code, name=name, requirement=requirement, law=law, authority_id=by.organisation_id)
    db.add(item)
    db.flush()
    journal.record(db, f"item/{item.id}", "service_item.added", by=by, code=code, name=name)
    return item


def admit(
    db: Session, organisation: Organisation, item: ServiceItem, valid_from: datetime, valid_until: datetime,
    *, by: Actor,
) -> Admission:  # fmt: skip
    """Admit an organisation for an item, or give it a new period."""
    _check_authority(item, by)
    if valid_from >= valid_until:
        raise WrongPeriod
    admission = db.scalar(
        select(Admission).filter_by(organisation_id=organisation.id, item_id=item.id).with_for_update()
    )
    if admission is None:
        admission = Admission(organisation_id=organisation.id, item_id=item.id, standing=Standing.GOOD)
        db.add(admission)
    admission.valid_from, admission.valid_until = valid_from, valid_until
    db.flush()
    journal.record(
        db, f"item/{item.id}", "admission.given", by=by, organisation=organisation.id,
        valid_from=valid_from, valid_until=valid_until,
    )  # fmt: skip
    return admission


def set_standing(db: Session, admission: Admission, standing: Standing, *, reason: str, by: Actor) -> None:
    """The authority's decision on how an intermediary stands. Safe to repeat."""
    admission = take(db, Admission, admission.id)
    _check_authority(admission.item, by)
    if admission.standing is standing:
        return
    admission.standing = standing
    journal.record(
        db, f"item/{admission.item_id}", "admission.standing", by=by,
        organisation=admission.organisation_id, standing=standing.value, reason=reason,
    )  # fmt: skip


def items(db: Session) -> Sequence[ServiceItem]:
    """The whole catalogue, by code."""
    return db.scalars(select(ServiceItem).order_by(ServiceItem.code)).all()


def admissions(db: Session, item: ServiceItem) -> Sequence[Admission]:
    """Everybody admitted for an item, also those whose time is over."""
    return db.scalars(select(Admission).filter_by(item_id=item.id).order_by(Admission.id)).all()


def _check_authority(item: ServiceItem, by: Actor) -> None:
    if not by.is_a(Role.AUTHORITY) or item.authority_id != by.organisation_id:
        raise NotTheAuthority
