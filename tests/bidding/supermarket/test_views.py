"""The doors: every act by page and by call, and what each visitor may see."""

import json

import pytest

from bidding.supermarket import registration
from bidding.supermarket.models import Project, State
from ca import canonical
from ca.draws import registration as client_side
from ca.draws import verify
from ca.parties import Organisation, Person
from ca.rights import Actor, Role
from ca.sealing import box
from ca.sealing.params import Params
from storage.db import find


@pytest.fixture
def people(city):
    """actor -> person, for logging in."""
    return lambda actor: find(city.db, Person, actor.person_id)


@pytest.fixture
def visit(client, people):
    """`visit(actor)` is a browser in which they have logged in; `visit(None)` a stranger's."""

    def make(actor: Actor | None):
        return client.login(people(actor)) if actor else client.logout()

    return make


@pytest.fixture(autouse=True)
def see_what_doors_did(city, client, monkeypatch):
    """Doors work in sessions of their own; after each visit the test's session looks anew."""
    for name in ("get", "post", "api"):
        known = getattr(type(client), name)

        def looking(self, *args, _known=known, **given):
            city.db.flush()
            answer = _known(self, *args, **given)
            city.db.expire_all()
            return answer

        monkeypatch.setattr(type(client), name, looking)


def base(project: Project) -> str:
    return f"/supermarket/projects/{project.id}"


def test_a_whole_project_through_the_pages(city, visit):
    owner = visit(city.owner)
    given = {
        "item_id": city.item.id,
        "title": "河堤监理",
        "scope": "全过程监理",
        "budget": "88,000",
        "method": "random",
    }
    answer = owner.post("/supermarket/projects/new", given)
    assert answer.status_code == 303
    project = city.db.query(Project).filter_by(title="河堤监理").one()
    closes = (city.now().timestamp() + 3600) // 1
    from datetime import datetime
    from zoneinfo import ZoneInfo

    when = datetime.fromtimestamp(closes, ZoneInfo("Asia/Shanghai")).strftime("%Y-%m-%dT%H:%M:%S")
    assert owner.post(base(project) + "/publication", {"closes_at": when}).status_code == 303
    assert project.state is State.PREPARING
    for holder in city.holders:
        holder.join(city.db, project.draw.opening)
    from ca import openings
    from ca.rights import SYSTEM

    openings.close_params(city.db, project.draw.opening, by=SYSTEM)
    city.settle(project)
    for actor, label in ((city.owner, "owner"), (city.supervisor, "supervisor")):
        params = Params.read(project.draw.opening.params.encode())
        sealed = box.contribute(params, label).box.hex()
        assert visit(actor).post(base(project) + "/contribution", {"box": sealed}).status_code == 303
    for firm in city.firms:
        answer = visit(firm).post(base(project) + "/registration")
        assert answer.status_code == 200
        assert "撤回口令" in answer.text
        assert "贵单位已报名" in visit(firm).get(base(project) + "/registration").text
    city.pass_time(1)
    city.settle(project)
    for holder in city.holders[:2]:
        holder.release(city.db, project.draw.opening)
    city.settle(project)

    page = visit(None).get(base(project)).text
    assert project.selected.name in page
    raw = visit(None).get(base(project) + "/bundle.json").data
    assert verify.verify(raw).winner == project.selected.credit_code
    assert project.selected.name in visit(None).get(base(project) + "/hall").text


def test_a_whole_project_through_the_calls(city, client, people):
    def call(method, path, actor=None, **given):
        return client.api(method, "/supermarket" + path, people(actor) if actor else None, **given)

    terms = {"item_id": city.item.id, "title": "河堤监理", "scope": "全过程监理", "budget": "88000.00"}
    made = call("POST", "/projects", city.owner, json=terms)
    assert made.status_code == 201, made.text
    path = f"/projects/{made.json['id']}"
    closes_at = (city.now().replace(microsecond=0)).timestamp() + 3600
    from datetime import UTC, datetime

    body = {"closes_at": datetime.fromtimestamp(closes_at, UTC).isoformat()}
    assert call("POST", path + "/publication", city.owner, json=body).json["state"] == "preparing"
    project = find(city.db, Project, made.json["id"])
    for holder in city.holders:
        holder.join(city.db, project.draw.opening)
    from ca import openings
    from ca.rights import SYSTEM

    openings.close_params(city.db, project.draw.opening, by=SYSTEM)
    city.settle(project)
    told = call("GET", path).json
    params = Params.read(told["params"].encode())
    for actor, label in ((city.owner, "owner"), (city.supervisor, "supervisor")):
        body = {"box": box.contribute(params, label).box.hex()}
        assert call("POST", path + "/contributions", actor, json=body).status_code == 201
    secrets = []
    for firm in city.firms:
        code = find(city.db, Organisation, firm.organisation_id).credit_code
        body, secret = client_side.register(told["number"], code)
        answer = call("POST", path + "/registration", firm, json={"body": body})
        assert answer.status_code == 201
        assert answer.json["receipt"]["body"] == body
        secrets.append(secret)
    gone = call("POST", path + "/registration/withdrawal", city.firms[0], json={"secret": secrets[0].hex()})
    assert gone.status_code == 200
    assert call("GET", path + "/registration", city.firms[0]).json == {"receipt": {}}
    city.pass_time(1)
    city.settle(project)
    for holder in city.holders[:2]:
        holder.release(city.db, project.draw.opening)
    city.settle(project)

    outcome = verify.verify(call("GET", path + "/bundle").data)
    assert outcome.ok
    assert call("GET", path).json["selected"] == project.selected.name
    answer = call("POST", path + "/declining", city.selected(project), json={"reason": "人员不足"})
    assert answer.json == {"state": "result"}
    objected = call("POST", path + "/objections", city.firms[0], json={"text": "请核对"})
    assert objected.status_code == 201
    objection = project.objections[0]
    answered = call("POST", f"/objections/{objection.id}/answer", city.owner, json={"text": "已核对"})
    assert answered.status_code == 200


HIDDEN = ["", "/hall", "/hall/live", "/bundle.json", "/notice.json"]


@pytest.mark.parametrize("path", HIDDEN)
def test_a_draft_is_absent_for_everybody_else(city, visit, path):
    draft = city.draft()
    for stranger in (None, city.firms[0], city.supervisor, city.person(Role.PROJECT_OWNER).actor):
        assert visit(stranger).get(base(draft) + path).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/edit", "/publication", "/withdrawal", "/recusals", "/contribution", "/registration", "/declining"],
)
def test_forms_are_for_those_who_may_act(city, visit, path):
    project = city.published()
    others = {
        "/registration": [city.owner, city.supervisor],
        "/declining": [city.owner, city.firms[0]],
        "/contribution": [city.firms[0], city.person(Role.PROJECT_OWNER).actor],
    }.get(path, [city.firms[0], city.supervisor, city.person(Role.PROJECT_OWNER).actor])
    for stranger in others:
        assert visit(stranger).get(base(project) + path).status_code in (403, 404), stranger
    assert visit(None).get(base(project) + path).status_code == 303


def test_the_bundle_does_not_exist_before_the_result(city, visit):
    project = city.closed()

    assert visit(city.supervisor).get(base(project) + "/bundle.json").status_code == 404
    assert visit(None).get(base(project) + "/hall").status_code == 200


def test_every_page_of_every_state_can_be_seen(city, visit):
    states = [city.published(), city.closed(), city.drawn(), city.issued()]
    failed = city.closed(city.firms[0])
    for project in [*states, failed]:
        for visitor in (None, city.owner, city.supervisor, city.firms[0], city.firms[1]):
            for path in ("", "/hall", "/hall/live"):
                assert visit(visitor).get(base(project) + path).status_code == 200
    for path in ("/supermarket/", "/supermarket/?q=道路&state=result&page=1", "/supermarket/items"):
        assert visit(None).get(path).status_code == 200
    for path in (f"/supermarket/items/{city.item.id}", "/supermarket/items/new"):
        assert visit(city.authority).get(path).status_code == 200


def test_the_same_in_english(city, visit):
    project = city.drawn()
    for path in (base(project), base(project) + "/hall", "/supermarket/", "/supermarket/items"):
        page = visit(city.owner).get(path + "?lang=en")
        assert page.status_code == 200


def test_a_refusal_keeps_the_form(city, visit):
    answer = visit(city.owner).post("/supermarket/projects/new", {"title": "只有名称", "budget": "abc"})

    assert answer.status_code == 422
    assert "只有名称" in answer.text
    assert "不是金额" in answer.text


def test_a_receipt_can_be_taken_home(city, visit):
    project = city.published()
    [(receipt, _)] = city.register(project, city.firms[0])

    answer = visit(city.firms[0]).get(base(project) + "/registration/receipt.json")
    assert json.loads(answer.data)["entry"] == receipt.entry
    assert answer.headers["Cache-Control"] == "no-store"
    assert visit(city.firms[1]).get(base(project) + "/registration/receipt.json").status_code == 404


def test_the_browsers_own_registration_is_taken_as_it_is(city, visit):
    project = city.published()
    body, secret = city.body(project, city.firms[0])
    answer = visit(city.firms[0]).post(base(project) + "/registration", {"body": canonical.encode(body).decode()})
    assert answer.status_code == 303
    kept = registration.receipt(city.db, project, keys=city.keys, by=city.firms[0])
    assert kept.cell.body == body

    wrong = visit(city.firms[0]).post(base(project) + "/registration/withdrawal", {"secret": "00" * 32})
    assert wrong.status_code == 422
    gone = visit(city.firms[0]).post(base(project) + "/registration/withdrawal", {"secret": secret.hex()})
    assert gone.status_code == 303
    assert registration.receipt(city.db, project, keys=city.keys, by=city.firms[0]) is None


def test_the_authority_keeps_its_catalogue_by_page(city, visit):
    door = visit(city.authority)
    answer = door.post("/supermarket/items/new", {"code": "ZJ-777", "name": "环境影响评价"})
    assert answer.status_code == 303
    item_page = answer.headers["Location"]
    firm = find(city.db, Organisation, city.firms[0].organisation_id)
    form = {
        "credit_code": firm.credit_code,
        "valid_from": "2026-01-01T00:00",
        "valid_until": "2029-01-01T00:00",
    }
    assert door.post(item_page + "/admissions/new", form).status_code == 303
    assert firm.name in door.get(item_page).text
    nobody = door.post(item_page + "/admissions/new", form | {"credit_code": "91510000MA9999999" + "1"})
    assert nobody.status_code == 422
    other = city.person(Role.AUTHORITY).actor
    assert visit(other).post(item_page + "/admissions/new", form).status_code == 403


def test_holders_see_and_act_through_their_own_calls(city, client, people):
    project = city.submitted()
    holder, person = city.holders[0], city.holders[0].person
    told = client.api("GET", "/holder/openings", person).json["openings"]
    assert [(each["name"], each["do"]) for each in told] == [(project.draw.opening.name, "join")]
    from ca.ecdsa import Key
    from ca.sealing import messages

    holder.key = Key.make()
    base_ = project.draw.opening.base
    body = {
        "pk": holder.key.public.hex(), "sig": holder.sig.public.hex(),
        "join": holder.sig.sign(messages.join(base_, holder.key.public, holder.sig.public)).hex(),
        "ready": holder.key.sign(messages.ready(base_)).hex(),
    }  # fmt: skip
    path = f"/holder/openings/{project.draw.opening_id}"
    assert client.api("POST", path + "/join", person, json=body).json["verdict"] == "JOINED"
    assert client.api("GET", "/holder/openings", person).json == {"openings": []}
    assert client.api("POST", path + "/join", people(city.owner), json=body).status_code == 403
    early = client.api("POST", path + "/release", person, json={"key": "00" * 32, "signature": "00" * 64})
    assert early.status_code == 409
    assert client.login(person).get("/holder/").status_code == 200


def test_a_firm_that_nobody_knows_is_named_in_the_refusal(city, visit):
    draft = city.draft()
    code = "9151000099999999" + "9"
    from storage.values import check_character

    given = {"credit_code": code + check_character(code), "reason": "持股"}
    answer = visit(city.owner).post(base(draft) + "/recusals", given)
    assert answer.status_code == 422
    assert "no_such_firm" in answer.text


def test_a_suspended_draw_names_who_did_not_release(city, visit):
    project = city.closed()
    city.holders[0].release(city.db, project.draw.opening)
    city.pass_time(1)
    from ca import openings

    openings.settle(city.db, project.draw.opening_id)
    late = [holder.person.organisation.name for holder in city.holders]
    for path in ("", "/hall"):
        page = visit(None).get(base(project) + path).text
        told = page[page.index("摇号已中止") :][:200]
        assert late[0] not in told
        assert late[1] in told
        assert late[2] in told
