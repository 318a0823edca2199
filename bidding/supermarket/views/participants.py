"""An intermediary's pages: register, keep the receipt, withdraw, object, decline."""

import json

from flask import Response, g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field

from bidding.supermarket import registration, results
from bidding.supermarket.views.doors import keys, pages, seen
from ca import canonical
from ca.draws import registration as client
from ca.rights import Role, allow
from ca.sealing.params import is_hex
from storage import clock, forms
from storage.refusals import NotFound


class RegistrationForm(BaseModel):
    body: str | None = Field(None, max_length=4096, description="made in the browser; without scripts by us")


class SecretForm(BaseModel):
    secret: str = Field(max_length=64)


class Text(BaseModel):
    text: str = Field(max_length=5000)


class Reason(BaseModel):
    reason: str = Field(max_length=2000)


@pages.get("/projects/<int:project_id>/registration")
@allow(Role.INTERMEDIARY)
def registering(project_id: int):
    """Register, or see that one is registered."""
    project = seen(project_id)
    if project.published_at is None:
        raise NotFound
    firm = registration.firm_of(g.db, g.actor)
    reason = registration.status_of(g.db, project, firm, clock.database(g.db))
    mine = registration.receipt(g.db, project, keys=keys(), by=g.actor)
    return render_template(
        "supermarket/registration.html", project=project, firm=firm, reason=reason, receipt=mine,
        reasons=registration.REASONS,
    )  # fmt: skip


@pages.post("/projects/<int:project_id>/registration")
@allow(Role.INTERMEDIARY)
def register(project_id: int):
    form = forms.read(RegistrationForm, request.form)
    project = seen(project_id)
    firm = registration.firm_of(g.db, g.actor)
    secret = None
    if form.body is None:  # no script in this browser: we make the secret, show it once and forget it
        body, secret = client.register(project.number, firm.credit_code)
    else:
        body = _parsed(form.body)
    made = registration.register(g.db, project, body, keys=keys(), by=g.actor)
    if secret is not None and made.cell.body == body:
        return render_template("supermarket/registered.html", project=project, receipt=made, secret=secret.hex())
    return redirect(url_for(".registering", project_id=project_id), code=303)


@pages.get("/projects/<int:project_id>/registration/receipt.json")
@allow(Role.INTERMEDIARY)
def receipt(project_id: int):
    """One's own receipt as a file."""
    project = seen(project_id)
    mine = registration.receipt(g.db, project, keys=keys(), by=g.actor)
    if mine is None:
        raise NotFound
    answer = Response(json.dumps(mine.written(), sort_keys=True), content_type="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="{project.number}-receipt.json"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


@pages.get("/projects/<int:project_id>/registration/withdrawal")
@allow(Role.INTERMEDIARY)
def leaving(project_id: int):
    """Withdraw one's registration."""
    project = seen(project_id)
    if project.published_at is None:
        raise NotFound
    mine = registration.receipt(g.db, project, keys=keys(), by=g.actor)
    return render_template("supermarket/leaving.html", project=project, receipt=mine)


@pages.post("/projects/<int:project_id>/registration/withdrawal")
@allow(Role.INTERMEDIARY)
def leave(project_id: int):
    secret = forms.read(SecretForm, request.form).secret.strip().lower()
    if not is_hex(secret, 32):
        raise registration.WrongSecret
    registration.withdraw(g.db, seen(project_id), bytes.fromhex(secret), keys=keys(), by=g.actor)
    return redirect(url_for(".registering", project_id=project_id), code=303)


@pages.get("/projects/<int:project_id>/objection")
@allow(Role.INTERMEDIARY)
def objecting(project_id: int):
    """Raise an objection to the result."""
    return render_template("supermarket/objection.html", project=seen(project_id))


@pages.post("/projects/<int:project_id>/objection")
@allow(Role.INTERMEDIARY)
def object_to(project_id: int):
    results.object_to(g.db, seen(project_id), forms.read(Text, request.form).text, by=g.actor)
    return redirect(url_for(".show", project_id=project_id), code=303)


@pages.get("/projects/<int:project_id>/declining")
@allow(Role.INTERMEDIARY)
def declining(project_id: int):
    """Give up a selection."""
    project = seen(project_id)
    if project.selected_id is None or project.selected_id != g.actor.organisation_id:
        raise NotFound
    return render_template("supermarket/declining.html", project=project)


@pages.post("/projects/<int:project_id>/declining")
@allow(Role.INTERMEDIARY)
def decline(project_id: int):
    results.decline(g.db, seen(project_id), reason=forms.read(Reason, request.form).reason, by=g.actor)
    return redirect(url_for(".show", project_id=project_id), code=303)


def _parsed(text: str) -> dict[str, object]:
    try:
        body = canonical.decode(text.encode())
    except canonical.NotCanonical as error:
        raise registration.BadRegistration(what="body") from error
    if not isinstance(body, dict):
        raise registration.BadRegistration(what="body")
    return body
