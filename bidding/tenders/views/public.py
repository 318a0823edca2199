"""What everybody may read: the list of tenders, one tender, its documents."""

import io

from flask import g, render_template, request
from pydantic import BaseModel, Field

from bidding.tenders import contracts, documents, registration, submission
from bidding.tenders.models import Document, State, Tender
from bidding.tenders.views import files, listing, story
from bidding.tenders.views.doors import is_mine, now, pages, seen
from ca.rights import Role, public
from storage import forms
from storage.refusals import NotFound

SIZE = 20


class Asked(BaseModel):
    q: str = Field("", max_length=80)
    state: State | None = None
    page: int = Field(1, ge=1, le=100_000)


@pages.get("")
@public
def index():
    """Published tenders; a procuring entity sees its drafts on top."""
    asked = forms.read(Asked, request.args)
    search = listing.Search(asked.q, asked.state)
    found = listing.count(g.db, search)
    buyer = g.actor is not None and g.actor.is_a(Role.PROCURING_ENTITY)
    bidder = g.actor is not None and g.actor.is_a(Role.BIDDER)
    return render_template(
        "tenders/index.html", tenders=listing.published(g.db, search, page=asked.page, size=SIZE), asked=asked,
        found=found, pages=-(-found // SIZE), states=_choices(), is_buyer=buyer,
        drafts=listing.unpublished(g.db, g.actor.organisation_id) if buyer else [],
        mine=registration.all_mine(g.db, g.actor) if bidder else [],
    )  # fmt: skip


@pages.get("/<int:tender_id>")
@public
def show(tender_id: int):
    """One tender: where it stands, what comes next, the one act this visitor can do now."""
    tender = seen(tender_id)
    held = registration.of(g.db, tender, g.actor)
    contract = contracts.of(g.db, tender)
    return render_template(
        "tenders/show.html", tender=tender, State=State, kinds=Document.KIND_NAMES, is_mine=is_mine(tender),
        held=held, bids=submission.versions(g.db, held) if held else [], next_=story.next_step(tender, now()),
        story=story.told(g.db, tender), is_bidder=g.actor is not None and g.actor.is_a(Role.BIDDER),
        is_supervisor=g.actor is not None and g.actor.is_a(Role.SUPERVISOR), is_over=story.is_over(tender),
        contract=contract if contract and _is_party(tender, contract) else None,
        candidates=story.candidates(g.db, tender), waiting=_waiting(tender), reason=story.reason(tender), now_=now(),
    )  # fmt: skip


@pages.get("/<int:tender_id>/documents/<int:document_id>")
@public
def document(tender_id: int, document_id: int):
    """A document: free, for everybody, without registering, not counted."""
    return files.document(documents.seen(g.db, seen(tender_id), document_id))


@pages.get("/<int:tender_id>/params.json")
@public
def params(tender_id: int):
    """The sealing parameters, as `gongheng bid seal --params` reads them."""
    tender = seen(tender_id)
    if tender.params_hash is None or tender.opening is None or tender.opening.params is None:
        raise NotFound
    return files.attachment(
        io.BytesIO(tender.opening.params.encode()), f"params-{tender.number}.json", "application/json"
    )


def _choices() -> list[tuple[str, str]]:
    hidden = {State.DRAFT, State.JOINING}
    return [(state.value, Tender.STATE_NAMES[state]) for state in State if state not in hidden]


def _waiting(tender: Tender) -> list[str]:
    """The key holders that have not joined yet."""
    if tender.state is not State.JOINING or tender.opening is None:
        return []
    return [seat.person.name for seat in tender.opening.seats if seat.pk is None]


def _is_party(tender: Tender, contract: object) -> bool:
    if g.actor is None:
        return False
    ours = {tender.procuring_entity_id, getattr(contract, "supplier_id", None)}
    return g.actor.organisation_id in ours or g.actor.is_a(Role.SUPERVISOR)
