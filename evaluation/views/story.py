"""A session's story in the words of its page: from the journal, and what comes next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask_babel import gettext as _
from sqlalchemy.orm import Session as Db

from evaluation.experts import ENTITY, PLATFORM, SUPERVISOR
from evaluation.models import SeatState, Session, State
from storage import journal

TITLES = {
    "evaluation_session.planned": "安排评标会",
    "evaluation_session.drawing": "申请抽取专家",
    "expert_draw.announced": "公告锁定抽取规则",
    "contribution.sealed": "密封随机数已提交",
    "expert_draw.pool_committed": "专家名单锁定并公布承诺值",
    "evaluation_session.seated": "专家抽取完成",
    "seat.accepted": "评委确认参加",
    "seat.declined": "评委不能参加",
    "seat.filled": "按抽取顺序递补评委",
    "seat.checked_in": "评委签到",
    "leader.voted": "推选组长投票",
    "leader.elected": "推选出组长",
    "evaluation_session.running": "评标进行",
    "evaluation_session.paused": "评标暂停",
    "document.opened": "查阅投标文件",
    "bid.reviewed": "资格与符合性审查",
    "scores.given": "评分",
    "scores.handed_in": "提交评分",
    "score_change.asked": "申请修改评分",
    "score_change.approved": "同意修改评分",
    "score_change.refused": "不同意修改评分",
    "evaluation_session.signing": "汇总评标报告",
    "report.signed": "签署评标报告",
    "evaluation_session.finished": "评标结束",
    "evaluation_session.aborted": "评标会终止",
    "recording.closed": "录音录像归档",
}
COARSE = frozenset({act for act in TITLES if act.startswith("evaluation_session.")} | {"recording.closed"})
LABEL_NAMES = {PLATFORM: "平台", ENTITY: "招标人", SUPERVISOR: "行政监督"}
ABORTED = {
    "too_few_experts": "符合条件的专家不足，抽取没有结果。请扩大专业或地区范围，重新安排评标会。",
    "no_contributions": "招标人和监督人员没有都提交随机数，抽取没有结果。请重新安排评标会。",
}


@dataclass(frozen=True)
class Step:
    """What comes next: in words, and its moment if it has one."""

    title: str
    text: str
    at: datetime | None = None


def timeline(db: Db, session: Session, *, whole: bool) -> list[dict[str, Any]]:
    """What has happened, with hashes. `whole` shows every act of every member-N; else only the great steps."""
    return [
        {
            "at": entry.at, "title": _(TITLES[entry.act]), "hash": entry.hash,
            "note": note(entry.act, entry.facts) if whole else "",
        }
        for entry in journal.entries(db, session.file)
        if entry.act in TITLES and (whole or entry.act in COARSE)
    ]  # fmt: skip


def note(act: str, facts: Mapping[str, Any]) -> str:
    """Who, and what, in a few words."""
    if act == "contribution.sealed":
        return _(LABEL_NAMES.get(str(facts.get("label")), ""))
    words = [member(str(facts["seat"]))] if "seat" in facts else []
    if "decided_by" in facts:
        words.append(member(str(facts["decided_by"])))
    if {"was_score", "to_score"} <= set(facts):
        words.append(f"{facts['was_score']} → {facts['to_score']}")
    if act in ("evaluation_session.paused", "evaluation_session.aborted", "score_change.asked"):
        words.append(_(ABORTED.get(str(facts.get("reason")), str(facts.get("reason", "")))))
    return _("，").join(word for word in words if word)


def member(name: str) -> str:
    """`member-3` in the page's language."""
    return _("%(n)s 号评委", n=name.removeprefix("member-"))


def next_step(session: Session) -> Step | None:
    """What happens next, for everybody who looks."""
    here = sum(seat.state is SeatState.CHECKED_IN for seat in session.members)
    match session.state:
        case State.PLANNED:
            return Step(_("抽取专家"), _("由交易中心申请抽取；招标人和监督人员各密封一份随机数。"), session.planned_at)
        case State.DRAWING:
            return Step(
                _("专家抽取"), _("截止后锁定名单，密钥持有人释放密钥，顺序当众算出；专家是谁在结果公布前保密。")
            )
        case State.SEATED if here < session.places:
            return Step(
                _("评委签到"),
                _("应到 %(n)s 名，已签到 %(here)s 名。全部签到并推选组长后开始评标。", n=session.places, here=here),
                session.planned_at,
            )
        case State.SEATED if session.leader is None:
            return Step(_("推选组长"), _("评委各推选一人，得票过半者担任组长。"))
        case State.SEATED:
            return Step(_("开始评标"), _("由组长或交易中心开始；录音录像随之自动开始。"))
        case State.RUNNING if not all(seat.submitted_at for seat in session.members):
            done = sum(seat.submitted_at is not None for seat in session.members)
            return Step(
                _("独立评审"),
                _("评委各自评审打分，互相看不到分数。%(n)s 名中已有 %(done)s 名提交。", n=session.places, done=done),
            )
        case State.RUNNING:
            return Step(_("汇总报告"), _("全部评分已提交。需要更正的依法申请修改，由组长同意并留痕；然后由组长汇总。"))
        case State.PAUSED:
            return Step(_("继续评标"), _("暂停期间不能评分；录音录像不停。"))
        case State.SIGNING:
            return Step(_("签署报告"), _("全部评委签字后评标结束，结果交招标人。不同意见可以写明理由。"))
    return None
