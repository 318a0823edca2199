"""The table of messages: for each act of the journal, who is told what, and where they go on.

Nothing is told that is still a secret: no word about a registration, an upload or a payment before the
reveal; a refund that came back is told to the centre without its party until the opening has named it.
"""

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.messages.telling import Tell, on, people_of
from app.pages import beijing
from bidding.supermarket.models import Admission, Project
from bidding.supermarket.models import Objection as ResultObjection
from bidding.tenders.bids import Bid, Objection, Registration
from bidding.tenders.models import Tender
from bidding.tenders.opening import SHOWN, close_from
from ca.openings import Opening
from ca.parties import Organisation, Person, RoleHeld
from ca.rights import Role
from escrow.models import Deposit, Refund, Standing
from evaluation.models import Change, Seat, SeatState
from evaluation.models import Session as Panel
from storage import journal
from storage.db import find

Tells = Iterable[Tell]


def N_(text: str) -> str:  # noqa: N802 – the word that translators' programs look for
    """A sentence that is translated when it is read."""
    return text


# --- who ---------------------------------------------------------------------------------------------------


def in_role(people: Iterable[Person], *roles: Role) -> list[Person]:
    """Those of them who come in one of these roles."""
    return [person for person in people if person.actor.is_a(*roles)]


def all_in(db: Session, role: Role) -> list[Person]:
    """Everybody active with a role."""
    holding = select(RoleHeld.person_id).where(RoleHeld.role == role)
    return list(db.scalars(select(Person).where(Person.id.in_(holding), Person.is_active).order_by(Person.id)))


def supervisors(db: Session, region_id: int | None, parent_id: int | None) -> list[Person]:
    """The supervisors who watch over a region: its own, those of the city above, those of everywhere."""
    over = {None, region_id, parent_id}
    return [person for person in all_in(db, Role.SUPERVISOR) if region_id is None or person.region_id in over]


def owners(db: Session, project: Project) -> list[Person]:
    return in_role(people_of(db, project.owner_id), Role.PROJECT_OWNER)


def buyers(db: Session, tender: Tender) -> list[Person]:
    return in_role(people_of(db, tender.procuring_entity_id), Role.PROCURING_ENTITY)


def bidders(db: Session, tender: Tender) -> list[Person]:
    """Those whose bid stands on the frozen list; nobody before the freeze."""
    if tender.freeze is None:
        return []
    ids = db.scalars(select(Bid.bidder_id).where(Bid.tender_id == tender.id, Bid.state.in_(SHOWN))).all()
    return [person for one in sorted(set(ids)) for person in in_role(people_of(db, one), Role.BIDDER)]


def registered(db: Session, tender: Tender) -> list[Person]:
    ids = db.scalars(select(Registration.bidder_id).filter_by(tender_id=tender.id)).all()
    return [person for one in sorted(set(ids)) for person in in_role(people_of(db, one), Role.BIDDER)]


def of_entry(db: Session, kind: Any, entry: journal.Entry) -> Any:
    """The row whose journal file an entry stands in."""
    name = entry.file.rpartition("/")[2]
    return find(db, kind, uuid.UUID(name) if "-" in name else int(name))


def at(moment: datetime | None) -> str:
    return f"{beijing(moment):%m-%d %H:%M:%S}" if moment else ""


def each(people: Sequence[Person], says: str, endpoint: str, values: dict[str, Any], **facts: Any) -> list[Tell]:
    """The same sentence to several people, to each once."""
    once = {person.id: person for person in people}
    return [Tell(person, says, endpoint, values, facts) for person in once.values()]


# --- supermarket -------------------------------------------------------------------------------------------


def _on_project(people: Sequence[Person], says: str, project: Project, page: str = "show", **facts: Any) -> list[Tell]:
    return each(people, says, f"supermarket.{page}", {"project_id": project.id}, title=project.title, **facts)


@on("supermarket_project.registration")
def project_published(db: Session, entry: journal.Entry) -> Tells:
    """The owner and the supervisors are asked for their chance; everybody admitted hears of the project."""
    project = of_entry(db, Project, entry)
    region = project.region
    closes = at(project.closes_at)
    chance = N_("“{title}”已发布。请在 {closes} 前提交密封随机数，否则不能摇号。")
    asked = owners(db, project) + supervisors(db, project.region_id, region.parent_id if region else None)
    yield from _on_project(asked, chance, project, "contribution", closes=closes)
    admitted = select(Admission.organisation_id).filter_by(item_id=project.item_id)
    firms = [
        person for one in sorted(set(db.scalars(admitted))) for person in in_role(people_of(db, one), Role.INTERMEDIARY)
    ]
    news = N_("新项目“{title}”开始报名，{closes} 截止。")
    yield from _on_project(firms, news, project, closes=closes)


@on("supermarket_project.draft")
def project_back_to_draft(db: Session, entry: journal.Entry) -> Tells:
    """The holders joined too late, and the notice was not published."""
    if entry.facts.get("reason"):
        project = of_entry(db, Project, entry)
        says = N_("“{title}”没有发布：密钥持有人没有及时加入。请修改报名截止时间后重新提交。")
        yield from _on_project(owners(db, project), says, project)


@on("supermarket_project.result")
def project_result(db: Session, entry: journal.Entry) -> Tells:
    project = of_entry(db, Project, entry)
    firm = find(db, Organisation, entry.facts["selected"])
    until = at(project.objections_until)
    says = N_("“{title}”摇号完成，中选机构为{firm}，公示至 {until}。")
    yield from _on_project(owners(db, project), says, project, "hall", firm=firm.name, until=until)
    won = N_("贵单位在“{title}”中选，公示至 {until}，期满后发出中选通知书。")
    yield from _on_project(in_role(people_of(db, firm.id), Role.INTERMEDIARY), won, project, "hall", until=until)


@on("supermarket_project.notice_issued")
def notice_issued(db: Session, entry: journal.Entry) -> Tells:
    project = of_entry(db, Project, entry)
    people = owners(db, project) + in_role(people_of(db, entry.facts["selected"]), Role.INTERMEDIARY)
    says = N_("“{title}”的中选通知书已发出，核验码 {code}。请双方及时签订合同。")
    yield from _on_project(people, says, project, code=entry.facts["code"])


@on("supermarket_project.failed")
def project_failed(db: Session, entry: journal.Entry) -> Tells:
    project = of_entry(db, Project, entry)
    says = N_("“{title}”选取失败。原因见项目页，可以重新发布。")
    yield from _on_project(owners(db, project), says, project)


@on("supermarket_project.declined")
def winner_declined(db: Session, entry: journal.Entry) -> Tells:
    project = of_entry(db, Project, entry)
    yield from _on_project(owners(db, project), N_("“{title}”的中选机构放弃中选，按摇号次序递补。"), project)


@on("objection.raised")
def result_objected(db: Session, entry: journal.Entry) -> Tells:
    project = of_entry(db, Project, entry)
    says = N_("“{title}”的结果收到异议，请答复。答复之前不能发出中选通知书。")
    values = {"objection_id": entry.facts["objection"]}
    yield from each(owners(db, project), says, "supermarket.answering", values, title=project.title)


@on("objection.answered")
def result_objection_answered(db: Session, entry: journal.Entry) -> Tells:
    project = of_entry(db, Project, entry)
    objection = find(db, ResultObjection, entry.facts["objection"])
    people = in_role(people_of(db, objection.organisation_id), Role.INTERMEDIARY)
    yield from _on_project(people, N_("您对“{title}”结果的异议已经答复。"), project)


# --- openings ----------------------------------------------------------------------------------------------


@on("opening.joining", "opening.releasing")
def holders_asked(db: Session, entry: journal.Entry) -> Tells:
    """A new opening asks for keys; after its hour they are asked to be released."""
    opening = of_entry(db, Opening, entry)
    join = N_("“{name}”需要您生成并公布一把新的密钥，截止 {until}。持有人程序开着就会自动办理。")
    release = N_("“{name}”请您在 {until} 前释放密钥。持有人程序核对凭据后会自动办理。")
    joining = entry.act == "opening.joining"
    until = at(opening.deadline if joining else opening.release_until)
    people = [seat.person for seat in opening.seats]
    yield from each(people, join if joining else release, "holder.index", {}, name=opening.name, until=until)


@on("opening.suspended")
def keys_missing(db: Session, entry: journal.Entry) -> Tells:
    opening = of_entry(db, Opening, entry)
    late = [seat.person for seat in opening.seats if seat.key is None]
    yield from each(late, N_("“{name}”因密钥不足已中止，请立即释放您的密钥。"), "holder.index", {}, name=opening.name)
    says = N_("“{name}”因密钥不足中止，请联系未释放的持有人。")
    yield from each(all_in(db, Role.CENTRE_STAFF), says, "portal.home", {}, name=opening.name)


# --- tenders -----------------------------------------------------------------------------------------------


def _on_tender(people: Sequence[Person], says: str, tender: Tender, page: str = "show", **facts: Any) -> list[Tell]:
    return each(people, says, f"tenders.{page}", {"tender_id": tender.id}, name=tender.name, **facts)


@on("tender.published")
def tender_published(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    says = N_("“{name}”的招标公告已发布，{deadline} 投标截止。")
    yield from _on_tender(buyers(db, tender), says, tender, deadline=at(tender.submission_deadline))


@on("tender.draft")
def tender_back_to_draft(db: Session, entry: journal.Entry) -> Tells:
    if entry.facts.get("reason"):
        tender = of_entry(db, Tender, entry)
        says = N_("“{name}”没有发布：密钥持有人没有及时加入。请改正时间后重新提交。")
        yield from _on_tender(buyers(db, tender), says, tender)


@on("tender.frozen")
def tender_frozen(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    says = N_("“{name}”已截止投标，投标清单已公布。请在 {until} 前解密您的投标文件，逾期视为撤销。")
    yield from _on_tender(bidders(db, tender), says, tender, "unlocking", until=at(tender.unlock_until))
    yield from _on_tender(buyers(db, tender), N_("“{name}”已截止投标，开标大厅已开放。"), tender, "hall")


@on("tender.unlocks_frozen")
def close_needed(db: Session, entry: journal.Entry) -> Tells:
    """The supervisors sign the close; nobody else can."""
    tender = of_entry(db, Tender, entry)
    region = tender.region
    people = supervisors(db, tender.region_id, region.parent_id if region else None)
    says = N_("“{name}”解密已截止，请在 {since} 之后核对并签署解密关闭。")
    yield from _on_tender(people, says, tender, "closing", since=at(close_from(db, tender)))


@on("tender.opened")
def tender_opened(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    yield from _on_tender(bidders(db, tender), N_("“{name}”已开标，请核对并确认您的开标记录。"), tender, "hall")
    yield from _on_tender(buyers(db, tender), N_("“{name}”已开标，开标记录已生成。"), tender, "hall")
    says = N_("“{name}”已开标，请安排评标。")
    yield from _on_tender(all_in(db, Role.CENTRE_STAFF), says, tender)


@on("opening_objection.raised")
def opening_objected(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    values = {"objection_id": entry.facts["objection"]}
    says = N_("“{name}”收到开标异议，请当场答复。")
    yield from each(buyers(db, tender), says, "tenders.answering", values, name=tender.name)


@on("opening_objection.answered")
def opening_objection_answered(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    people = in_role(people_of(db, find(db, Objection, entry.facts["objection"]).bidder_id), Role.BIDDER)
    yield from _on_tender(people, N_("您对“{name}”开标提出的异议已经答复。"), tender, "hall")


@on("tender.evaluated")
def tender_evaluated(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    says = N_("“{name}”评标完成，请在收到评标报告之日起三日内公示中标候选人。")
    yield from _on_tender(buyers(db, tender), says, tender, "candidates")


@on("tender.standstill")
def candidates_published(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    says = N_("“{name}”中标候选人已公示，公示至 {until}。")
    yield from _on_tender(bidders(db, tender), says, tender, until=at(tender.standstill_until))


@on("tender.standstill_over")
def may_award(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    yield from _on_tender(buyers(db, tender), N_("“{name}”公示期满，可以确定中标人。"), tender, "awarding")


@on("tender.awarded")
def tender_awarded(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    code, winner = entry.facts["bidder"], entry.facts["name"]
    people = bidders(db, tender)
    won = [person for person in people if person.organisation and person.organisation.credit_code == code]
    others = [person for person in people if person not in won]
    says = N_("贵单位中标“{name}”，中标通知书已发出。请按期签订合同。")
    yield from _on_tender(won, says, tender, "contract")
    thanks = N_("“{name}”已确定中标人：{winner}。感谢参与，保证金将自动退还。")
    yield from _on_tender(others, thanks, tender, winner=winner)


@on("tender_contract.buyer_signed")
def buyer_signed(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    won = db.get(Bid, tender.winner_bid) if tender.winner_bid else None
    people = in_role(people_of(db, won.bidder_id), Role.BIDDER) if won else []
    yield from _on_tender(people, N_("“{name}”的合同招标人已确认，请核对后确认。"), tender, "contract")


@on("tender_contract.supplier_signed")
def supplier_signed(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    yield from _on_tender(buyers(db, tender), N_("“{name}”的合同中标人已确认。"), tender, "contract")


@on("tender.contracted")
def contracted(db: Session, entry: journal.Entry) -> Tells:
    tender = of_entry(db, Tender, entry)
    yield from _on_tender(buyers(db, tender), N_("“{name}”的合同已生效，保证金自动退还。"), tender)


@on("tender.failed", "tender.cancelled")
def tender_over(db: Session, entry: journal.Entry) -> Tells:
    """To each who registered, about itself alone: how many they are stays untold."""
    tender = of_entry(db, Tender, entry)
    if tender.published_at is None:
        return
    failed = N_("“{name}”流标，投标文件不再开启，保证金将自动退还。原因见项目页。")
    cancelled = N_("“{name}”已终止招标，保证金将自动退还。原因见项目页。")
    says = failed if entry.act == "tender.failed" else cancelled
    yield from _on_tender(registered(db, tender) + buyers(db, tender), says, tender)


# --- evaluation --------------------------------------------------------------------------------------------


def _on_panel(people: Sequence[Person], says: str, panel: Panel, page: str = "show", **facts: Any) -> list[Tell]:
    values = {"session_id": panel.id}
    return each(people, says, f"evaluation.{page}", values, name=panel.tender.name, venue=panel.main_venue, **facts)


@on("expert_draw.announced")
def draw_announced(db: Session, entry: journal.Entry) -> Tells:
    """The procuring entity and the supervisors give their chance to the draw of experts."""
    panel = of_entry(db, Panel, entry)
    region = panel.region
    people = buyers(db, panel.tender) + supervisors(db, panel.region_id, region.parent_id if region else None)
    yield from _on_panel(people, N_("“{name}”开始抽取评标专家，请提交密封随机数。"), panel)


@on("evaluation_session.seated", "seat.filled")
def seated(db: Session, entry: journal.Entry) -> Tells:
    """To the experts themselves and to nobody else (招标投标法 第三十七条)."""
    panel = of_entry(db, Panel, entry)
    seats = [seat for seat in panel.members if seat.state is SeatState.NOTIFIED]
    if entry.act == "seat.filled":
        seats = [seat for seat in seats if seat.name == entry.facts["seat"]]
    says = N_("您被抽取为评标专家，{planned} 在{venue}评标。请登录确认是否参加，并对本通知保密。")
    people = [seat.expert.person for seat in seats]
    yield from _on_panel(people, says, panel, planned=at(panel.planned_at))


@on("score_change.asked")
def change_asked(db: Session, entry: journal.Entry) -> Tells:
    """The leader consents; where the leader asks, all the others may."""
    panel = of_entry(db, Panel, entry)
    asking = find(db, Seat, find(db, Change, entry.facts["change"]).seat_id)
    deciding = [s for s in panel.members if s.id != asking.id and (s.is_leader or asking.is_leader)]
    yield from _on_panel([seat.expert.person for seat in deciding], N_("“{name}”有评分修改申请，请审查。"), panel)


@on("evaluation_session.signing")
def to_sign(db: Session, entry: journal.Entry) -> Tells:
    panel = of_entry(db, Panel, entry)
    people = [seat.expert.person for seat in panel.members]
    yield from _on_panel(people, N_("“{name}”的评标报告已汇总，请核对后签字。"), panel)


@on("evaluation_session.aborted")
def aborted(db: Session, entry: journal.Entry) -> Tells:
    panel = of_entry(db, Panel, entry)
    people = all_in(db, Role.CENTRE_STAFF) + [seat.expert.person for seat in panel.members]
    yield from _on_panel(people, N_("“{name}”的评标会已终止。"), panel)


# --- money -------------------------------------------------------------------------------------------------


def _payers(db: Session, deposit: Deposit) -> list[Person]:
    return in_role(people_of(db, deposit.organisation_id), Role.BIDDER, Role.INTERMEDIARY)


@on("deposit.refunded", "deposit.forfeited", "deposit.returned")
def deposit_moved(db: Session, entry: journal.Entry) -> Tells:
    """The party hears of its own money once it has left; not a word of what came in before the opening."""
    deposit = of_entry(db, Deposit, entry)
    says = {
        "deposit.refunded": N_("“{title}”的保证金已退还到您的账户。"),
        "deposit.forfeited": N_("“{title}”的保证金不予退还，理由见保证金页面。"),
        "deposit.returned": N_("“{title}”的保证金退款没有到账，请核对收款账户，或联系交易中心。"),
    }[entry.act]
    values = {"deposit_id": str(deposit.id)}
    yield from each(_payers(db, deposit), says, "deposits.show", values, title=deposit.title)


@on("refund.returned", "refund.rejected")
def refund_came_back(db: Session, entry: journal.Entry) -> Tells:
    """To the centre's staff: somebody must look; whose it is stands on the page, once that is no secret."""
    refund = of_entry(db, Refund, entry)
    known = refund.receipt.standing is Standing.MATCHED and refund.receipt.deposit is not None
    title = refund.receipt.deposit.title if known and refund.receipt.deposit.opened_at else ""
    named = N_("“{title}”有一笔退款被银行退回，请处理。")
    unnamed = N_("有一笔退款被银行退回，请处理。{title}")
    says = named if title else unnamed
    yield from each(all_in(db, Role.CENTRE_STAFF), says, "deposits.refunds", {}, title=title)


@on("deposit.forfeit_pending")
def forfeit_asked(db: Session, entry: journal.Entry) -> Tells:
    """A second person of the centre confirms."""
    deposit = of_entry(db, Deposit, entry)
    others = [person for person in all_in(db, Role.CENTRE_STAFF) if person.id != deposit.forfeit_by]
    values = {"deposit_id": str(deposit.id)}
    says = N_("“{title}”有一笔保证金拟不予退还，请另一名工作人员复核。")
    yield from each(others, says, "deposits.forfeit", values, title=deposit.title)


@on("reconciliation.differs")
def books_differ(db: Session, entry: journal.Entry) -> Tells:
    says = N_("今日对账有差异，请查明并说明原因。")
    yield from each(all_in(db, Role.CENTRE_STAFF), says, "deposits.reconciliations", {})
