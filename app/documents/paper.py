"""One official paper: what stands on it, and its PDF by typst.

The same facts and the same moment give the same bytes (fonts are ours, the creation time is a fact), so a
digest printed elsewhere stays true. Facts reach typst as data, never as source, so no text can be markup.
"""

import json
import math
from dataclasses import asdict, dataclass, field
from datetime import datetime
from io import BytesIO
from pathlib import Path
from xml.sax.saxutils import escape

import segno
import typst

HERE = Path(__file__).resolve().parent
FONT = "Noto Serif SC"


@dataclass(frozen=True)
class Table:
    """Columns with their share of the width, and rows of text."""

    head: list[str]
    rows: list[list[str]]
    widths: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)  # columns of figures


@dataclass(frozen=True)
class Paper:
    """What stands on an official paper."""

    title: str
    number: str  # of the project, as people quote it
    addressed_to: str
    paragraphs: list[str]
    facts: list[tuple[str, str]]  # label and value
    tables: list[tuple[str, Table]]
    signed_by: str  # the party whose seal stands on it
    dated: datetime
    code: str  # of the public check page
    check_address: str
    footer: str = ""


def pdf(paper: Paper) -> bytes:
    """The paper as PDF."""
    facts = asdict(paper) | {
        "dated": f"{paper.dated.year}年{paper.dated.month}月{paper.dated.day}日",
        "qr": _qr(paper.check_address),
        "seal": seal_image(paper.signed_by),
    }
    made: bytes = typst.compile(
        str(HERE / "official.typ"),
        root=str(HERE),
        font_paths=[str(HERE / "fonts")],
        ignore_system_fonts=True,
        sys_inputs={"paper": json.dumps(facts, ensure_ascii=False)},
        timestamp=int(paper.dated.timestamp()),
    )
    return made


def seal_image(name: str) -> str:
    """A round red seal 印章 with the organisation's name along the arc and a star, as SVG.

    It is a picture for the eye; what binds is the electronic signature of the PDF.
    """
    letters = list(name.strip()) or [" "]
    arc = math.radians(min(270, 22 * len(letters)))
    step = arc / max(1, len(letters) - 1) if len(letters) > 1 else 0
    size = 17 if len(letters) <= 12 else max(8, 17 - (len(letters) - 12) // 2)
    marks = []
    for place, letter in enumerate(letters):
        angle = -arc / 2 + step * place if len(letters) > 1 else 0.0
        x, y = 90 + 62 * math.sin(angle), 90 - 62 * math.cos(angle)
        marks.append(
            f'<text x="{x:.2f}" y="{y:.2f}" transform="rotate({math.degrees(angle):.2f} {x:.2f} {y:.2f})" '
            f'text-anchor="middle" dominant-baseline="central" font-size="{size}">{escape(letter)}</text>'
        )
    star = " ".join(
        f"{90 + r * math.sin(k * math.pi / 5):.2f},{90 - r * math.cos(k * math.pi / 5):.2f}"
        for k, r in enumerate([24, 9.2] * 5)
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 180 180" width="180" height="180">'
        '<g fill="#c8102e" fill-opacity="0.86">'
        '<circle cx="90" cy="90" r="84" fill="none" stroke="#c8102e" stroke-width="4.5" stroke-opacity="0.86"/>'
        f'<polygon points="{star}"/><g font-family="{FONT}" font-weight="700">{"".join(marks)}</g></g></svg>'
    )


def _qr(address: str) -> str:
    out = BytesIO()
    segno.make(address, error="m", micro=False).save(out, kind="svg", border=1, xmldecl=False, svgns=True)
    return out.getvalue().decode()
