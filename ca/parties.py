"""Parties 交易主体: organisations and the persons who act for them."""

from typing import ClassVar

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from ca.rights import Actor, Role
from storage.db import Row, by_value
from storage.values import CreditCode


class Region(Row):
    """A region 行政区划: a city, or one of its counties."""

    __tablename__ = "region"
    called: ClassVar[str] = "行政区划"

    code: Mapped[str] = mapped_column(String(12), unique=True)
    name: Mapped[str] = mapped_column(String(60))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))

    parent: Mapped["Region | None"] = relationship(remote_side="Region.id")


class Organisation(Row):
    """An organisation 单位, known by its credit code."""

    __tablename__ = "organisation"
    called: ClassVar[str] = "单位"

    name: Mapped[str] = mapped_column(String(120))
    credit_code: Mapped[str] = mapped_column(String(18), unique=True)
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))

    region: Mapped[Region | None] = relationship()
    people: Mapped[list["Person"]] = relationship(back_populates="organisation")


class Person(Row):
    """A person 人员 who logs in; what they may do is the roles they hold."""

    __tablename__ = "person"
    called: ClassVar[str] = "人员"

    name: Mapped[str] = mapped_column(String(60))
    login: Mapped[str] = mapped_column(String(60), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    totp_secret: Mapped[str | None] = mapped_column(String(64))
    organisation_id: Mapped[int | None] = mapped_column(ForeignKey("organisation.id"))
    region_id: Mapped[int | None] = mapped_column(ForeignKey("region.id"))
    email: Mapped[str | None] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(30))
    is_active: Mapped[bool] = mapped_column(default=True)

    organisation: Mapped[Organisation | None] = relationship(back_populates="people")
    roles_held: Mapped[list["RoleHeld"]] = relationship(cascade="all, delete-orphan", lazy="selectin")

    @property
    def actor(self) -> Actor:
        """This person, acting."""
        return Actor(
            person_id=self.id,
            name=self.name,
            organisation_id=self.organisation_id,
            roles=frozenset(held.role for held in self.roles_held),
            region_id=self.region_id,
        )


class RoleHeld(Row):
    """A role that a person holds."""

    __tablename__ = "role_held"
    __table_args__ = (UniqueConstraint("person_id", "role"),)
    called: ClassVar[str] = "角色"

    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    role: Mapped[Role] = mapped_column(by_value(Role))


def add_region(db: Session, code: str, name: str, parent: Region | None = None) -> Region:
    """A region, made once."""
    known = db.query(Region).filter_by(code=code).one_or_none()
    if known:
        return known
    region = Region(code=code, name=name, parent_id=parent.id if parent else None)
    db.add(region)
    db.flush()
    return region


def add_organisation(db: Session, name: str, credit_code: str, region: Region | None = None) -> Organisation:
    """An organisation, made once per credit code."""
    code = CreditCode(credit_code)
    known = db.query(Organisation).filter_by(credit_code=code).one_or_none()
    if known:
        return known
    organisation = Organisation(name=name, credit_code=code, region_id=region.id if region else None)
    db.add(organisation)
    db.flush()
    return organisation


def add_person(
    db: Session, name: str, login: str, *roles: Role,
    organisation: Organisation | None = None, region: Region | None = None,
) -> Person:  # fmt: skip
    """A person with roles; the password is set apart (`ca.login.set_password`)."""
    person = Person(
        name=name,
        login=login,
        organisation_id=organisation.id if organisation else None,
        region_id=region.id if region else (organisation.region_id if organisation else None),
        roles_held=[RoleHeld(role=role) for role in roles],
    )
    db.add(person)
    db.flush()
    return person
