"""What stands on each paper: one function for each act of the journal that asks for one.

A paper tells what the rows and the entry say at that moment; whoever holds it compares it at `/verify`.
Names of the panel stand on a paper without their seat, so that nobody learns who gave which score.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.documents.issuing import PAPERS, IsPublic, Kind, Write
from app.documents.paper import Paper, Table
from app.pages import beijing, uppercase
from bidding.supermarket.models import Project
from bidding.tenders import hall
from bidding.tenders.bids import Bid
from bidding.tenders.models import State, Tender
from ca import canonical
from evaluation.methods import METHOD_NAMES
from evaluation.models import ExpertDraw, Report
from evaluation.models import Session as Panel
from storage import journal
from storage.db import find
from storage.values import Money

CENTRE = "公共资源交易中心"
RESULT_IS_PUBLIC = frozenset({State.STANDSTILL, State.AWARDED, State.CONTRACTED})
CULPRITS = {"bidder": "投标人原因", "platform": "平台原因"}  # anyone else is a key holder, by its code


def paper_for(act: str, kind: str, is_public: IsPublic | None = None) -> Callable[[Write], Write]:
    """Name the act that a writer answers with a paper."""

    def known(write: Write) -> Write:
        assert act not in PAPERS, act
        PAPERS[act] = Kind(kind, write, is_public)
        return write

    return known


# --- supermarket -----------------------------------------------------------------------------------------


@paper_for("supermarket_project.notice_issued", "selection_notice")
def selection_notice(db: Session, entry: journal.Entry) -> Paper | None:
    """中选通知书: to the intermediary that was drawn; its check code is the one the project's page shows."""
    project = _of(db, Project, entry)
    if project.selected is None or project.check_code != entry.facts["code"]:
        return None  # the selected firm has given up meanwhile
    draw, place = project.draw, project.draw.place + 1
    bundle = canonical.decode((draw.bundle or "").encode())
    return Paper(
        title="中选通知书", number=project.number, addressed_to=project.selected.name,
        paragraphs=[
            f"“{project.title}”（项目编号 {project.number}）经公开随机选取，结果公示期满且无未答复的异议，"
            "现确定贵单位为中选机构。",
            f"请在 {_moment_text(entry.facts['contract_until'])} 之前与项目业主签订服务合同。",
        ],
        facts=[
            ("项目业主", project.owner.name), ("服务事项", f"{project.item.code} {project.item.name}"),
            ("中选机构", f"{project.selected.name}（{project.selected.credit_code}）"),
            ("服务费用上限", _money(project.budget)), ("选取方式", "随机选取"), ("摇号名次", f"第 {place} 位"),
            ("报名截止", _moment(project.closes_at)), ("结果公布", _moment(project.result_at)),
            ("摇号种子", _digest(draw.seed)), ("名单承诺值", _digest(bundle["pool"]["root"])),
        ],
        tables=[], signed_by=project.owner.name, dated=beijing(entry.at), code=_stroked(entry.facts["code"]),
        check_address="", footer=f"{project.number} · 任何人可用本项目的证据包复核摇号结果",
    )  # fmt: skip


# --- opening ---------------------------------------------------------------------------------------------


@paper_for("tender.opened", "opening_record")
def opening_record(db: Session, entry: journal.Entry) -> Paper | None:
    """开标记录 (电子招标投标办法 第三十二条): what was read out, bid by bid."""
    tender = _of(db, Tender, entry)
    told = hall.record(db, tender)
    return Paper(
        title="开标记录", number=told["number"], addressed_to="",
        paragraphs=[
            f"“{told['name']}”于 {_moment(told['opened_at'])} 完成开标。"
            "投标文件由投标人解密、密钥持有人释放密钥后开启，报价如下。"
        ],
        facts=[
            ("招标人", told["procuring_entity"]), ("投标截止", _moment(told["deadline"])),
            ("最高投标限价", _money(told["ceiling_price"]) if told["ceiling_price"] else "未设"),
            ("解密关闭签署", f"{told['closed_by'] or ''}，{_moment(told['closed_at'])}"),
            ("释放密钥的持有人", "、".join(told["holders"])), ("开启参数", _digest(told["params"])),
            ("投标清单根值", _digest(told["freeze_root"])), ("解密清单根值", _digest(told["unlock_root"])),
        ],
        tables=[("开标一览表", _bids_read_out(told["lines"])), *_objections(told["objections"])],
        signed_by=told["procuring_entity"], dated=beijing(entry.at), code="", check_address="",
        footer=f"{told['number']} · 任何人可用本项目的证据包重复开标",
    )  # fmt: skip


@paper_for("tender.failed", "opening_record")
def failed_opening_record(db: Session, entry: journal.Entry) -> Paper | None:
    """开标记录 of an opening at which no bid could be opened."""
    return opening_record(db, entry) if _of(db, Tender, entry).opened_at == entry.at or "bids" in entry.facts else None


def _bids_read_out(lines: Sequence[dict[str, Any]]) -> Table:
    rows = [
        [
            str(number), f"{line['bidder']}\n{line['credit_code']}", f"{line['price']}" if line["price"] else "—",
            _outcome(line), line["digest"][:16],
        ]
        for number, line in enumerate(lines, 1)
    ]  # fmt: skip
    return Table(["序号", "投标人", "投标报价（元）", "结果", "文件摘要（前 16 位）"], rows, [1, 5, 3, 3, 4], [2])


def _outcome(line: dict[str, Any]) -> str:
    if line["result"] == "OPENED":
        return f"已开启（{line['fault']}，由评标委员会认定）" if line["fault"] else "已开启"
    culprit = CULPRITS.get(line["culprit"]) or f"密钥持有人 {line['culprit']} 原因"
    return f"未开启：{line['result']}（{culprit}）"


def _objections(said: Sequence[dict[str, Any]]) -> list[tuple[str, Table]]:
    if not said:
        return []
    rows = [[one["bidder"], one["words"], one["answer"] or "—"] for one in said]
    return [("开标异议与答复", Table(["投标人", "异议", "答复"], rows, [3, 5, 5]))]


# --- evaluation ------------------------------------------------------------------------------------------


def _result_is_public(db: Session, entry: journal.Entry) -> bool:
    return _of(db, Panel, entry).tender.state in RESULT_IS_PUBLIC


@paper_for("evaluation_session.seated", "expert_draw_record", _result_is_public)
def expert_draw_record(db: Session, entry: journal.Entry) -> Paper | None:
    """专家抽取记录: from how many, by which seed, in which order; experts by their number in the library."""
    panel = _of(db, Panel, entry)
    draw = db.scalar(select(ExpertDraw).filter_by(session_id=panel.id, seed=entry.facts["seed"]))
    if draw is None or draw.order is None:
        return None
    reasons: dict[str, int] = {}
    for _, status in draw.facts or []:
        reasons[status] = reasons.get(status, 0) + 1
    rows = [
        [str(place), f"expert-{expert}", "入选" if place <= panel.places else "候补"]
        for place, expert in enumerate(draw.order, 1)
    ]
    return Paper(
        title="评标专家抽取记录", number=panel.tender.number, addressed_to="",
        paragraphs=[f"“{panel.tender.name}”的评标专家由系统按事先公布的规则随机抽取，抽取结果任何人可以复核。"],
        facts=[
            ("招标人", panel.tender.procuring_entity.name), ("评标地点", panel.main_venue),
            ("应抽取", f"{panel.places} 名"), ("符合条件", f"{reasons.get('eligible', 0)} 名"),
            ("因回避排除", f"{reasons.get('recusal', 0)} 名"),
            ("抽取截止", _moment(draw.opening.deadline)), ("抽取完成", _moment(entry.at)), ("种子", _digest(draw.seed)),
            ("证据文件摘要", _digest(entry.facts["bundle"])),
        ],
        tables=[("抽取次序", Table(["次序", "专家编号", "结果"], rows, [1, 3, 2]))], signed_by=CENTRE,
        dated=beijing(entry.at), code="", check_address="", footer=f"{panel.tender.number} · 评标结果公布前不公开",
    )  # fmt: skip


@paper_for("evaluation_session.finished", "evaluation_report", _result_is_public)
def evaluation_report(db: Session, entry: journal.Entry) -> Paper | None:
    """评标报告 (评标委员会和评标方法暂行规定 第四十二条): method, result, members, who was rejected and why."""
    panel = _of(db, Panel, entry)
    report = db.scalars(select(Report).filter_by(session_id=panel.id)).one()
    names = _bidders(db, panel.tender)
    dissents = sum(bool(one.dissent) for one in report.signatures)
    return Paper(
        title="评标报告", number=panel.tender.number, addressed_to=panel.tender.procuring_entity.name,
        paragraphs=[
            f"评标委员会按招标文件规定的标准和方法完成了“{panel.tender.name}”的评审，全体成员已在电子报告上签字，"
            "排序如下。",
        ],
        facts=[
            ("评标方法", METHOD_NAMES.get(report.result["method"], report.result["method"])),
            ("评标地点", panel.main_venue), ("评标开始", _moment(panel.zero_at)), ("评标结束", _moment(entry.at)),
            ("评标委员会成员", "、".join(sorted(seat.expert.person.name for seat in panel.members))),
            ("签字", f"{len(report.signatures)} 人，其中 {dissents} 人有保留意见"),
            ("报告摘要", _digest(report.sha256)),
        ],
        tables=[("评审排序", _ranking(report.result["ranking"], names)), *_rejected(report.result["rejected"], names)],
        signed_by="评标委员会", dated=beijing(entry.at), code="", check_address="",
        footer=f"{panel.tender.number} · 各项得分见本项目证据包，任何人可以重新计算",
    )  # fmt: skip


def _ranking(ranking: Sequence[dict[str, Any]], names: dict[str, str]) -> Table:
    if ranking and "total" not in ranking[0]:
        rows = [[str(line["place"]), names[line["bid"]], line["evaluated_price"]] for line in ranking]
        return Table(["名次", "投标人", "评标价（元）"], rows, [1, 5, 3], [2])
    rows = [
        [
            str(line["place"]), names[line["bid"]], line["evaluated_price"], line["price_score"], line["quality_score"],
            line["total"],
        ]
        for line in ranking
    ]  # fmt: skip
    head = ["名次", "投标人", "评标价（元）", "价格分", "其他得分", "总分"]
    return Table(head, rows, [2, 6, 5, 3, 3, 3], [2, 3, 4, 5])


def _rejected(rejected: dict[str, str], names: dict[str, str]) -> list[tuple[str, Table]]:
    if not rejected:
        return []
    rows = [[names[bid], reason] for bid, reason in sorted(rejected.items())]
    return [("否决的投标", Table(["投标人", "理由"], rows, [3, 5]))]


# --- award -----------------------------------------------------------------------------------------------


@paper_for("tender.awarded", "letter_of_award")
def letter_of_award(db: Session, entry: journal.Entry) -> Paper | None:
    """中标通知书 (招标投标法 第四十五条): to the winner, from the procuring entity."""
    tender = _of(db, Tender, entry)
    facts = entry.facts
    return Paper(
        title="中标通知书", number=tender.number, addressed_to=facts["name"],
        paragraphs=[
            f"“{tender.name}”（项目编号 {tender.number}）中标候选人公示期已满。经评标委员会评审并依法确定，"
            "贵单位为本项目中标人。",
            "请自本通知书发出之日起三十日内，按照招标文件和贵单位的投标文件与我单位订立书面合同（《招标投标法》第四十六条）。",
        ],
        facts=[
            ("招标人", tender.procuring_entity.name), ("中标人", f"{facts['name']}（{facts['bidder']}）"),
            ("中标价", _money(Money.yuan(facts["price"]))), ("定标时间", _moment(entry.at)),
            *([("确定其他候选人的理由", facts["reason"])] if facts.get("reason") else []),
        ],
        tables=[], signed_by=tender.procuring_entity.name, dated=beijing(entry.at), code="", check_address="",
        footer=f"{tender.number} · 评审与定标的依据见本项目证据包",
    )  # fmt: skip


# --- words -----------------------------------------------------------------------------------------------


def _of(db: Session, kind: Any, entry: journal.Entry) -> Any:
    """The row whose journal file an entry stands in."""
    return find(db, kind, int(entry.file.rpartition("/")[2]))


def _bidders(db: Session, tender: Tender) -> dict[str, str]:
    return {str(bid.id): bid.bidder.name for bid in db.scalars(select(Bid).filter_by(tender_id=tender.id))}


def _money(amount: Money) -> str:
    return f"¥{amount} 元（大写：{uppercase(amount)}）"


def _moment(at: datetime | None) -> str:
    return f"{beijing(at):%Y年%m月%d日 %H:%M:%S}" if at else "—"


def _moment_text(text: str) -> str:
    return _moment(datetime.fromisoformat(text))


def _stroked(code: str) -> str:
    return "-".join(code[place : place + 4] for place in range(0, len(code), 4))


def _digest(text: str | None) -> str:
    """A digest in groups of eight, as people compare it, and so that it fits the line."""
    return " ".join((text or "")[place : place + 8] for place in range(0, len(text or ""), 8))
