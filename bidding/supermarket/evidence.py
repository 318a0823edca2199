"""证据 What a project gives to its bundle of evidence: public facts, and the files anybody recomputes."""

import json
from typing import Any

from sqlalchemy.orm import Session

from bidding.supermarket.models import Draw, Project
from storage import journal


def evidence(db: Session, project: Project) -> dict[str, Any]:
    """Public facts (JSON-able) and the texts that belong to them: {name in the bundle: text}.

    Before the result there is the notice, the signed pool and nothing that tells who registered or how many.
    """
    texts: dict[str, str] = {}
    for draw in project.draws:
        texts |= _of_draw(draw)
    texts["rules.json"] = json.dumps(project.rules.written, ensure_ascii=False, sort_keys=True)
    return {"kind": "supermarket", "file": project.file, "facts": _facts(db, project), "texts": texts}


def _facts(db: Session, project: Project) -> dict[str, Any]:
    told = {
        "number": project.number, "title": project.title, "scope": project.scope, "budget": str(project.budget),
        "owner": project.owner.name, "owner_code": project.owner.credit_code, "item": project.item.name,
        "method": project.method.value, "state": project.state.value, "profile": project.profile,
        "rules": project.rules.hash, "journal_head": journal.is_whole(db, project.file).head,
        "recusals": [
            {"firm": each.organisation.credit_code, "reason": each.reason} for each in project.recusals
        ],
        "objections": [
            {"firm": each.organisation.name, "text": each.text, "answer": each.answer or ""}
            for each in project.objections
        ],
    }  # fmt: skip
    for name in ("published_at", "closes_at", "result_at", "objections_until", "issued_at"):
        moment = getattr(project, name)
        if moment is not None:
            told[name] = moment.isoformat()
    if project.selected is not None:
        told |= {"selected": project.selected.name, "selected_code": project.selected.credit_code}
    if project.check_code:
        told["check_code"] = project.check_code
    if project.failure:
        told["failure"] = project.failure
    return told


def _of_draw(draw: Draw) -> dict[str, str]:
    name = draw.opening.name.rpartition(":")[0].rpartition(":")[2] + f"-{draw.number}"
    texts = {}
    if draw.notice is not None:
        signed = {"notice": json.loads(draw.notice), "signatures": draw.notice_signatures}
        texts[f"draw/{name}/notice.json"] = json.dumps(signed, ensure_ascii=False, sort_keys=True)
    if draw.pool is not None:
        signed = {"pool": json.loads(draw.pool), "signature": draw.pool_signature}
        texts[f"draw/{name}/pool.json"] = json.dumps(signed, ensure_ascii=False, sort_keys=True)
    if draw.bundle is not None:
        texts[f"draw/{name}/bundle.json"] = draw.bundle
    return texts
