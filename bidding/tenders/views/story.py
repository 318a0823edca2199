"""A tender's story as pages tell it: what happened, what comes next, and when."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session

from bidding.tenders import awards
from bidding.tenders.models import State, Tender
from ca.parties import Person
from storage import journal

OVER = frozenset({State.CONTRACTED, State.FAILED, State.CANCELLED})
TITLES = {
    "tender.draft": "建立招标项目",
    "tender.joining": "提交发布，等待密钥持有人",
    "tender.published": "发布招标公告",
    "tender_document.added": "增加文件",
    "tender.frozen": "投标截止，公布投标人名单",
    "tender.unlocking": "投标人开始解密",
    "tender.bid_unlocked": "投标人完成解密",
    "tender.unlocks_frozen": "解密截止，名单锁定",
    "tender.closed": "监督人员签署关闭",
    "tender.opening": "密钥持有人释放密钥，开始开标",
    "tender.opened": "唱标，公布开标结果",
    "tender.line_confirmed": "投标人确认开标记录",
    "opening_objection.raised": "提出开标异议",
    "opening_objection.answered": "答复开标异议",
    "tender.evaluated": "评标完成",
    "tender.standstill": "公示中标候选人",
    "tender.standstill_over": "公示期满",
    "tender.awarded": "确定中标人",
    "tender_contract.draft": "起草合同",
    "tender_contract.buyer_signed": "招标人确认合同",
    "tender_contract.supplier_signed": "中标人确认合同",
    "tender.contracted": "合同签订",
    "tender.failed": "流标",
    "tender.cancelled": "终止招标",
}
PRIVATE = frozenset({"tender.draft", "tender.edited", "tender.joining", "tender_document.removed"})


NEXT = {
    State.JOINING: ("等待密钥持有人加入", "全部加入后，公告自动发布，并印上加密参数的指纹。", ""),
    State.PUBLISHED: (
        "投标截止", "截止前，任何人都不能知道谁登记、谁交保证金、谁递交、有多少家，也没有人能打开投标文件。",
        "submission_deadline",
    ),
    State.FROZEN: ("投标人解密", "名单已锁定并公布，马上开始解密。", "unlock_until"),
    State.UNLOCKING: ("解密截止", "各投标人用自己的救援文件解密；逾期不解密视为撤销投标。", "unlock_until"),
    State.UNLOCKS_FROZEN: (
        "监督人员签署关闭", "名单和解密情况已锁定。监督人员签署后，密钥持有人才会释放密钥。", "",
    ),
    State.CLOSED: ("密钥持有人释放密钥", "达到规定人数后，全部投标文件同时开启。", "release_until"),
    State.OPENING: ("正在开启投标文件", "每份文件都重新计算全部锁，结果任何人都能核验。", ""),
    State.OPENED: ("评标", "评标委员会评审后提交评标报告和中标候选人排名。", ""),
    State.EVALUATED: ("公示中标候选人", "招标人应当自收到评标报告之日起按期公示。", ""),
    State.STANDSTILL: ("公示期满后定标", "公示期内可以提出异议。", "standstill_until"),
    State.AWARDED: ("签订合同", "合同签订后，投标保证金按规定自动退还。", ""),
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """What comes next: in words, and the moment it is waited for."""

    title: str
    text: str
    at: datetime | None = None


def told(db: Session, tender: Tender) -> list[dict[str, Any]]:
    """The timeline from the journal; before the notice is out only its own side looks at it."""
    lines = []
    for entry in journal.entries(db, tender.file):
        if entry.act not in TITLES or (tender.published_at is not None and entry.act in PRIVATE):
            continue
        person = db.get(Person, entry.by) if entry.by else None
        lines.append(
            {
                "at": entry.at, "title": _(TITLES[entry.act]), "hash": entry.hash, "note": _note(entry),
                "who": person.organisation.name if person and person.organisation else _("系统"),
            }
        )  # fmt: skip
    return lines


def next_step(tender: Tender, now: datetime) -> Step | None:
    """What happens next, for everybody who looks; None for a draft and when all is over."""
    if tender.state not in NEXT:
        return None
    title, text, moment = NEXT[tender.state]
    return Step(_(title), _(text), getattr(tender, moment) if moment else None)


def reason(tender: Tender) -> str | None:
    """Why it failed or was called off: our own sentences in the page's language, people's words as they are."""
    return _(tender.reason) if tender.reason else None


def is_over(tender: Tender) -> bool:
    """Whether nothing more will happen."""
    return tender.state in OVER


def candidates(db: Session, tender: Tender) -> list[dict[str, Any]]:
    """The published candidates, for a table."""
    if tender.standstill_until is None:
        return []
    return [
        {
            "place": line["place"], "name": bid.bidder.name, "price": bid.price, "score": line.get("score"),
            "bid_id": str(bid.id), "is_winner": str(bid.id) == tender.winner_bid,
        }
        for line, bid in awards.candidates(db, tender)
    ]  # fmt: skip


def hall_steps(tender: Tender) -> list[dict[str, Any]]:
    """The opening as five big steps."""
    reached = opening_place(tender)
    titles = [
        (_("投标截止，公布名单"), tender.frozen_at, _("名单及其根已锁定，任何人不能再增减。")),
        (_("投标人解密"), None, _("每份密钥当场核对；解密截止前看不到任何价格。")),
        (_("监督人员签署关闭"), tender.closed_at, _("监督人员对名单和解密情况签名。")),
        (_("密钥持有人释放密钥"), None, _("达到规定人数，全部投标文件同时开启。")),
        (_("唱标"), tender.opened_at, _("宣读投标人名称和投标报价，当场确认、当场提出异议。")),
    ]
    steps = []
    for place, (title, at, note) in enumerate(titles):
        state = "done" if place < reached else "now" if place == reached else "next"
        if tender.state in (State.FAILED, State.CANCELLED) and state != "done":
            state = "stop" if place == reached else "next"
        steps.append({"title": title, "at": at, "note": note, "state": state})
    return steps


def opening_place(tender: Tender) -> int:
    """How many of the five steps are done."""
    if tender.opened_at is not None:
        return 5
    places = {State.FROZEN: 1, State.UNLOCKING: 1, State.UNLOCKS_FROZEN: 2, State.CLOSED: 3, State.OPENING: 4}
    return places.get(tender.state, 2 if tender.unlock_root else 1)


def _note(entry: journal.Entry) -> str | None:
    facts = entry.facts
    if entry.act == "tender_document.added":
        return str(facts["name"])
    if entry.act in ("tender.bid_unlocked", "tender.line_confirmed"):
        return str(facts["bidder"])
    if entry.act in ("tender.failed", "tender.cancelled"):
        return _(str(facts["reason"]))
    if entry.act == "tender.awarded":
        return str(facts["name"])
    return None


