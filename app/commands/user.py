"""`gongheng user`: people and what they may do, from the operator's terminal."""

import secrets

import click

from app.config import Settings
from app.equipment import Equipment
from ca import login, parties
from ca.rights import Role


@click.group()
def user() -> None:
    """Add people, give them a new password, switch them off.

    \b
    Examples:
      gongheng user add wang 王芳 --role supervisor
      gongheng user password wang
    """


@user.command()
@click.argument("name")
@click.argument("full_name")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice([role.value for role in Role]))
@click.option("--credit-code", help="Credit code of their organisation.")
@click.option("--organisation", help="Its name, when it is not known yet.")
def add(name: str, full_name: str, roles: tuple[str, ...], credit_code: str | None, organisation: str | None) -> None:
    """Add a person; the password is made now and printed once."""
    password = secrets.token_urlsafe(12)
    with Equipment.of(Settings()).sessions.begin() as db:
        unit = parties.add_organisation(db, organisation or full_name, credit_code) if credit_code else None
        person = parties.add_person(db, full_name, name, *map(Role, roles), organisation=unit)
        login.set_password(db, person, password)
    click.echo(f"{name}  {password}")


@user.command()
@click.argument("name")
def password(name: str) -> None:
    """Give a person a new password, printed once; their sessions end."""
    fresh = secrets.token_urlsafe(12)
    with Equipment.of(Settings()).sessions.begin() as db:
        login.set_password(db, _known(db, name), fresh)
    click.echo(f"{name}  {fresh}")


@user.command()
@click.argument("name")
def off(name: str) -> None:
    """Switch a person off: they can no longer log in, and their tokens end."""
    with Equipment.of(Settings()).sessions.begin() as db:
        _known(db, name).is_active = False
    click.echo(f"{name} is switched off")


def _known(db: login.Session, name: str) -> parties.Person:
    person = db.query(parties.Person).filter_by(login=name).one_or_none()
    if person is None:
        raise click.ClickException(f"没有用户“{name}”。请检查用户名。")
    return person
