"""A project's story in the words of its page: from the journal, and what is still to come."""

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as later
from sqlalchemy.orm import Session

from bidding.supermarket.contributions import CONTRIBUTORS, LABEL_NAMES
from bidding.supermarket.models import Draw, Project, State
from storage import journal

TITLES = {
    "supermarket_project.preparing": later("提交发布，等待密钥持有人加入"),
    "supermarket_project.registration": later("公告发布，报名开始"),
    "supermarket_project.closed": later("报名截止"),
    "supermarket_project.pool_committed": later("名单锁定并公布承诺值"),
    "supermarket_project.drawn": later("种子形成，顺序算出"),
    "supermarket_project.result": later("中选结果公布"),
    "supermarket_project.declined": later("中选人放弃"),
    "supermarket_project.notice_issued": later("中选通知书发出"),
    "supermarket_project.failed": later("选取失败"),
    "supermarket_project.withdrawn": later("业主撤回项目"),
    "contribution.sealed": later("密封随机数已提交"),
    "recusal.named": later("列明应当回避的机构"),
    "objection.raised": later("收到异议"),
    "objection.answered": later("异议已答复"),
    "document.issued": later("文书已签发"),
}


def timeline(db: Session, project: Project) -> list[dict[str, Any]]:
    """What has happened, with hashes, and what comes next."""
    lines = [
        {
            "at": entry.at,
            "title": TITLES[entry.act],
            "hash": entry.hash,
            "note": _note(entry.act, entry.facts),
        }
        for entry in journal.entries(db, project.file)
        if entry.act in TITLES
    ]
    return lines + _to_come(project)


def _note(act: str, facts: Mapping[str, Any]) -> str:
    if act == "contribution.sealed":
        words = LABEL_NAMES[facts["label"]]
        return _(words)
    return ""


def _to_come(project: Project) -> list[dict[str, Any]]:
    close = {"at": project.closes_at, "title": _("报名截止，当众摇号"), "state": "next"}
    result = {"at": None, "title": _("公布中选结果"), "state": "next"}
    letter = {"at": project.objections_until, "title": _("公示期满，发出中选通知书"), "state": "next"}
    ahead = {
        State.PREPARING: [close, result],
        State.REGISTRATION: [close, result],
        State.POOL_COMMITTED: [result],
        State.RESULT: [letter],
    }
    return ahead.get(project.state, [])


def sealed(draw: Draw) -> list[dict[str, Any]]:
    """Each contributor, and since when its contribution is sealed."""
    latest = {each.label: each for each in sorted(draw.contributions, key=lambda each: each.seq)}
    return [{"label": label, "name": LABEL_NAMES[label], "sealed": latest.get(label)} for label in CONTRIBUTORS]
