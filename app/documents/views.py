"""Public doors: check a paper by its code or by its file, and take papers home."""

import hashlib
import re

from apiflask import APIBlueprint
from flask import Blueprint, Response, g, redirect, render_template, request, url_for
from pydantic import BaseModel, Field
from sqlalchemy import select

from app.documents.models import Document
from ca.rights import public
from storage import forms
from storage.refusals import NotFound, NotValid

pages = Blueprint("check", __name__, template_folder="templates", url_prefix="/verify")
api = APIBlueprint("check_api", __name__, url_prefix="/api/verify", tag="核验 check")


class UnknownCode(NotFound):
    says = "没有编号为这个核验码的文书。请逐字核对文书左下角的核验码。"


class NotOurs(NotValid):
    says = "这个文件不是本中心签发的文书，或者签发之后被改动过。请向出具方索要原件。"


class NoFile(NotValid):
    says = "请选择要核验的文件。"


class Code(BaseModel):
    code: str = Field(min_length=4, max_length=30)


class Checked(BaseModel):
    code: str
    title: str
    kind: str
    sha256: str
    bytes: int
    issued_at: str
    void_at: str | None


@pages.get("/")
@public
def index():
    """Ask for a code or a file."""
    return render_template("documents/check.html", checked=request.args.get("checked"))


@pages.post("/")
@public
def look():
    """Go to the paper with this code."""
    body = forms.read(Code, request.form)
    return redirect(url_for(".show", code=_found(body.code).code), code=303)


@pages.get("/file")
@public
def file_page():
    """The same page, for those who come back here."""
    return render_template("documents/check.html", checked=None)


@pages.post("/file")
@public
def check_file():
    """Compare an uploaded file with what was issued; the file is not kept."""
    given = request.files.get("file")
    if given is None or not given.filename:
        raise NoFile
    digest = hashlib.file_digest(given.stream, "sha256").hexdigest()
    document = g.db.scalar(select(Document).filter_by(sha256=digest, is_public=True))
    if document is None:
        raise NotOurs
    return redirect(url_for(".show", code=document.code, file="same"), code=303)


@pages.get("/<code>")
@public
def show(code: str):
    """What this centre issued under a code."""
    return render_template("documents/show.html", document=_found(code), same=request.args.get("file") == "same")


@pages.get("/<code>/paper.pdf")
@public
def paper(code: str):
    """The paper itself."""
    document = _found(code)
    with g.objects.open(document.object_key) as source:
        content = source.read()
    return Response(content, mimetype="application/pdf", headers={
        "Content-Disposition": f"inline; filename={document.code}.pdf", "ETag": f'"{document.sha256}"',
    })  # fmt: skip


@api.get("/<code>")
@public
@api.output(Checked)
def check(code: str):
    """What this centre issued under a code."""
    document = _found(code)
    return {
        "code": document.code, "title": document.title, "kind": document.kind, "sha256": document.sha256,
        "bytes": document.bytes, "issued_at": document.issued_at.isoformat(),
        "void_at": document.void_at.isoformat() if document.void_at else None,
    }  # fmt: skip


def _found(code: str) -> Document:
    """A code is read as people type it: in small letters, with or without strokes."""
    letters = re.sub(r"[^0-9A-Z]", "", code.upper())
    plain = "-".join(letters[place : place + 4] for place in range(0, len(letters), 4))
    document = g.db.scalar(select(Document).filter_by(code=plain, is_public=True))
    if document is None:
        raise UnknownCode
    return document
