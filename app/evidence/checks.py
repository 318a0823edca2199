"""What a stranger recomputes of a bundle, item by item, and the first thing that is wrong.

The bytes were compared by `app.evidence.container`. Here the contents are: every chain again, every draw,
the opening, every score and sum, the recording, the papers – and that all of them tell the same story. So a
platform that signs another story anew is found wherever two items, or one item and a chain, disagree.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.evidence import chains, tender_checks
from app.evidence.chains import Chain, Wrong
from app.evidence.checking import Check, draw, expect
from app.evidence.container import Bundle

PROJECT = {"v", "kind", "scope", "journals", "limits", "left_out", "id", "number", "name", "state"}


@dataclass(frozen=True)
class Outcome:
    """What a check of one bundle found."""

    first_wrong: str | None  # None: everything is as it must be
    reason: str = ""
    kind: str = ""
    number: str = ""
    name: str = ""
    state: str = ""
    scope: str = ""
    made_at: str = ""
    key: str = ""  # the platform's, that signed the bundle
    lines: tuple[tuple[str, str], ...] = ()  # item and what was found good about it
    remarks: tuple[str, ...] = ()  # what this check could not judge, and what a reader should know

    @property
    def ok(self) -> bool:
        return self.first_wrong is None


def verify(
    bundle: Bundle,
    *,
    platform: bytes | None = None,
    trust: Path | None = None,
    told: Callable[[str, str], None] = lambda path, says: None,
) -> Outcome:
    """Recompute everything in a bundle whose bytes were compared (`container.check`).

    platform: the platform's key as known from elsewhere. trust: a folder of CAs (`trust/`, `chain/`, `crl/`)
    by which the supervisor's signature is judged, instead of those the bundle brings along.
    """
    check = Check(bundle, bytes.fromhex(bundle.key), trust, told)
    wrong: tuple[str | None, str] = (None, "")
    try:
        _whole(check, platform)
    except Wrong as error:
        wrong = error.item, error.reason
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        wrong = check.reading, f"not as it must be written ({type(error).__name__}: {error})"
    told_of = check.project
    return Outcome(
        wrong[0], wrong[1], *(str(told_of.get(name, "")) for name in ("kind", "number", "name", "state", "scope")),
        made_at=bundle.made_at, key=bundle.key, lines=tuple(check.lines), remarks=tuple(check.remarks),
    )  # fmt: skip


def _whole(check: Check, platform: bytes | None) -> None:
    bundle = check.bundle
    if platform is not None and platform != check.key:
        raise Wrong("manifest.json", "signed by another platform's key")
    if platform is None:
        check.remarks.append(f"the platform's key is the bundle's own: compare {bundle.key} with the published one")
    project = check.json("project.json")
    if not isinstance(project, dict) or not set(project) >= PROJECT or project["v"] != 1:
        raise Wrong("project.json", "other fields than it must have")
    check.project = project
    expect("project.json", "number", project["number"], check.bundle.project)
    _chains(check)
    if project["kind"] == "tender":
        tender_checks.tender(check)
    elif project["kind"] == "supermarket":
        supermarket(check)
    else:
        raise Wrong("project.json", "of no known kind")
    _papers(check)
    check.good("project.json", f"{project['number']} {project['name']}")
    for path in check.bundle.places:
        if path not in check.seen:
            raise Wrong(path, "nothing asks for this item")
    for one in project["left_out"]:
        check.remarks.append(f"not in this bundle: {one['what']} ({one['why']})")


# 1. the chains


def _chains(check: Check) -> None:
    heads = dict(check.project["journals"])
    for path in check.under("journal"):
        chain = chains.read(path, check.read(path))
        if path != f"journal/{chain.file.replace('/', '-')}.json" or chain.file in check.chains:
            raise Wrong(path, "of another file")
        expect(path, "head", chain.head, heads.get(chain.file))
        check.chains[chain.file] = chain
        withheld = f", {chain.withheld} withheld" if chain.withheld else ""
        check.good(path, f"{len(chain.hashes)} entries{withheld}, head {chain.head[:16]}")
    for file in heads:
        check.chain(file)


# 2. papers


def _papers(check: Check) -> None:
    """Each paper is the one that the journal says was issued, and none that was issued is missing."""
    listed = {one["code"]: one for one in check.json("papers.json", {"papers"})["papers"]}
    issued = {
        (chain.file, line.facts["code"]): line.facts
        for chain in check.chains.values() for line in chain.all("document.issued")
    }  # fmt: skip
    for code, one in listed.items():
        path = f"papers/{code}.pdf"
        facts = issued.pop((one["file"], code), None)
        if facts is None:
            raise Wrong(path, "the journal does not say that it was issued")
        expect(path, "digest", check.sha256(path), facts["sha256"])
        expect("papers.json", f"digest of {code}", one["sha256"], facts["sha256"])
        expect("papers.json", f"kind of {code}", one["kind"], facts["kind"])
        check.good(path, f"{one['title']}, as issued")
    for _, code in issued:
        raise Wrong("papers.json", f"the paper {code} was issued and is missing")
    check.good("papers.json", f"{len(listed)} papers")


# 3. a supermarket project


def supermarket(check: Check) -> None:
    """The draw, and that result and notice name the firm that it drew."""
    project = check.project
    chain = check.chain(f"supermarket/{project['id']}")
    expect(chain.item, "state", chain.state("supermarket_project"), project["state"])
    expect(chain.item, "number", chain.all("supermarket_project.draft")[0].facts["number"], project["number"])
    drawn = chain.all("supermarket_project.drawn")
    expect("project.json", "draws", len(check.under("draws")), len(drawn))
    for path, line in zip(check.under("draws"), drawn, strict=True):
        outcome = draw(check, path, project["number"])
        expect(path, "digest", outcome.sha256, line.facts["bundle"])
        expect(path, "seed", outcome.seed, line.facts["seed"])
        [order] = outcome.order.values()
        _results(chain, path, order)
        check.good(path, f"drawn: {outcome.winner}, from {len(order)}")
    if project.get("selected"):
        expect("project.json", "selected", project["selected"], chain.last("supermarket_project.result").facts["firm"])
    if project.get("code"):
        issued = chain.last("supermarket_project.notice_issued")
        expect("project.json", "code", project["code"], issued.facts["code"])


def _results(chain: Chain, path: str, order: Any) -> None:
    for place, line in enumerate(chain.all("supermarket_project.result"), 1):
        expect(chain.item, f"entry {line.number}: place", line.facts["place"], place)
        if place > len(order) or line.facts["firm"] != order[place - 1]:
            raise Wrong(chain.item, f"entry {line.number}: the firm is not number {place} of {path}")
