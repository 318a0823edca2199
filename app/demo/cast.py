"""Who lives in the demo's city. Names are plain placeholders of no real organisation or person."""

from dataclasses import dataclass

from ca.keys import KeyKind
from ca.rights import Role
from storage.values import check_character


@dataclass(frozen=True)
class Unit:
    """An organisation of the city; `number` makes its credit code."""

    number: int
    name: str
    county: bool = False

    @property
    def credit_code(self) -> str:
        """A well-formed code under a region code that nobody has."""
        body = f"91990000MA{self.number:07d}"
        return body + check_character(body)


@dataclass(frozen=True)
class Player:
    """A person of the city: how they log in, whom they act for, as what; and the kind of their certificate."""

    login: str
    name: str
    unit: Unit
    roles: tuple[Role, ...]
    certificate: KeyKind | None = None


CENTRE = Unit(1, "示例市公共资源交易中心")
OWNER = Unit(2, "示例市水务局")
ENTITY = Unit(3, "示例市公路局")
SUPERVISION = Unit(4, "示例市行政审批监督办公室")
AUTHORITY = Unit(5, "示例市住房和城乡建设局")
HOLDERS = [
    Unit(10, "示例市公证处"),
    Unit(11, "示例市审计局"),
    Unit(12, "示例市司法局"),
    Unit(13, "示例市档案馆"),
]
FIRMS = [
    Unit(100 + n, f"示例市{name}咨询有限公司")
    for n, name in enumerate(["青山", "碧水", "长风", "明月", "朝阳", "晨星", "翠竹", "白鹭"])
]
BUILDERS = [
    Unit(200 + n, f"示例市{name}建设有限公司") for n, name in enumerate(["宏图", "远大", "平安", "华章"])
]
COLLEGES = [Unit(300 + n, f"示例市第{name}设计院") for n, name in enumerate(["一", "二", "三"])]

OWNER_1 = Player("owner1", "业主经办人", OWNER, (Role.PROJECT_OWNER,))
ENTITY_1 = Player("buyer1", "招标人经办人", ENTITY, (Role.PROCURING_ENTITY,))
ENTITY_HOLDER = Player("holder1", "招标人密钥持有人", ENTITY, (Role.KEY_HOLDER,))
STAFF_1 = Player("staff1", "中心工作人员", CENTRE, (Role.CENTRE_STAFF,))
SUPERVISOR_1 = Player("supervisor1", "监督人员", SUPERVISION, (Role.SUPERVISOR,), KeyKind.ECDSA)
AUTHORITY_1 = Player("authority1", "主管部门经办人", AUTHORITY, (Role.AUTHORITY,))
OTHER_HOLDERS = [
    Player(f"holder{n}", f"密钥持有人{n}", unit, (Role.KEY_HOLDER,)) for n, unit in enumerate(HOLDERS, start=2)
]
INTERMEDIARIES = [
    Player(f"firm{n}", f"中介经办人{n}", unit, (Role.INTERMEDIARY,)) for n, unit in enumerate(FIRMS, start=1)
]
KINDS = [KeyKind.RSA, KeyKind.ECDSA, KeyKind.SM2, KeyKind.ECDSA]
BIDDERS = [
    Player(f"bidder{n}", f"投标人经办人{n}", unit, (Role.BIDDER,), kind)
    for n, (unit, kind) in enumerate(zip(BUILDERS, KINDS, strict=True), start=1)
]
EXPERTS = [
    Player(f"expert{n}", f"评标专家{n}", COLLEGES[n % len(COLLEGES)], (Role.EXPERT,)) for n in range(1, 10)
]
CAST = [
    OWNER_1, ENTITY_1, STAFF_1, SUPERVISOR_1, AUTHORITY_1, ENTITY_HOLDER, *OTHER_HOLDERS, *INTERMEDIARIES, *BIDDERS,
    *EXPERTS,
]  # fmt: skip

ITEMS = [
    ("ZJ-001", "水土保持方案编制", "水土保持方案编制单位水平评价", "《中华人民共和国水土保持法》第二十五条"),
    ("ZJ-002", "建设项目环境影响评价", "环境影响评价能力", "《中华人民共和国环境影响评价法》第二十条"),
    ("ZJ-003", "工程造价咨询", "造价工程师执业注册", "《工程造价咨询企业管理办法》"),
]
EVALUATION = {
    "parameters": {"price_points": "30", "places": 2, "drop_extremes": 0},
    "criteria": [
        {"id": "plan", "name": "施工组织设计", "max": "40", "kind": "subjective"},
        {"id": "team", "name": "项目管理机构", "max": "20", "kind": "subjective"},
        {"id": "record", "name": "类似业绩", "max": "10", "kind": "objective"},
    ],
}
