"""What must stay blind until the deadline: registrations, uploads, bids.

Every id here is random, nothing counts, and the journal tells a bid's life in a file of its own, named by
that random id, without party or tender; the tender's file gets the list at the freeze.
"""

import uuid
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from bidding.tenders.models import Lot, Tender
from ca.parties import Organisation
from storage.db import Fen, Json, Moment, Row, SecretRow, by_value
from storage.values import Money


class BidState(StrEnum):
    """Where a bid stands (sealing.md §7)."""

    VERIFYING = "verifying"
    REFUSED = "refused"
    LATE_REJECTED = "late_rejected"
    SEALED = "sealed"
    REPLACED = "replaced"
    WITHDRAWN = "withdrawn"
    LOCKED = "locked"
    UNLOCKED = "unlocked"
    NOT_UNLOCKED = "not_unlocked"
    OPENED = "opened"
    REVOKED_BIDDER_FAULT = "revoked_bidder_fault"
    WITHDRAWN_OTHER_CAUSE = "withdrawn_other_cause"
    RETURNED = "returned"


COUNTS = frozenset(
    {
        BidState.SEALED, BidState.LOCKED, BidState.UNLOCKED, BidState.NOT_UNLOCKED, BidState.OPENED,
        BidState.REVOKED_BIDDER_FAULT, BidState.WITHDRAWN_OTHER_CAUSE,
    }
)  # fmt: skip
"""States of the one version of a bidder's bid that counts."""

ACCEPTED = COUNTS | {BidState.REPLACED, BidState.WITHDRAWN, BidState.RETURNED}
"""States of versions that once got a receipt."""


def _list(states: frozenset[BidState]) -> str:
    return ", ".join(f"'{state.value}'" for state in sorted(states))


class Registration(SecretRow):
    """A bidder's intention to bid 投标登记 for one lot: it gives a sub-account for the deposit, nothing else."""

    __tablename__ = "tender_registration"
    called: ClassVar[str] = "投标登记"
    __table_args__ = (UniqueConstraint("lot_id", "bidder_id"),)

    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"), index=True)
    lot_id: Mapped[int] = mapped_column(ForeignKey("lot.id"))
    bidder_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    sub_account: Mapped[str] = mapped_column(String(60))
    last_seq: Mapped[int] = mapped_column(default=0)  # of the last version that got a receipt

    tender: Mapped[Tender] = relationship()
    lot: Mapped[Lot] = relationship()
    bidder: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)

    @property
    def file(self) -> str:
        """Its own journal file; the name tells nobody anything."""
        return f"registration/{self.id}"


class Upload(SecretRow):
    """A sealed file on its way 上传 (tus 1.0): the offset stands here, the parts in the object store."""

    __tablename__ = "tender_upload"
    called: ClassVar[str] = "上传"
    __table_args__ = (
        CheckConstraint("received >= 0 AND received <= size", name="received_is_within"),
        CheckConstraint("(digest IS NOT NULL) = (completed_at IS NOT NULL)", name="complete_means_digest"),
    )

    registration_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tender_registration.id"), index=True)
    object_key: Mapped[str] = mapped_column(String(120))
    multipart_id: Mapped[str] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    parts: Mapped[int] = mapped_column(default=0)  # pieces in the store
    begun_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    completed_at: Mapped[datetime | None] = mapped_column(Moment)
    digest: Mapped[str | None] = mapped_column(String(64))
    used: Mapped[bool] = mapped_column(default=False)  # the object belongs to a bid now
    dropped: Mapped[bool] = mapped_column(default=False)  # nothing of it is left in the store

    registration: Mapped[Registration] = relationship(lazy="joined", innerjoin=True)


class Bid(SecretRow):
    """One version of a bid 投标文件: sealed bytes in the object store and everything known about them."""

    __tablename__ = "bid"
    called: ClassVar[str] = "投标文件"
    STATE_NAMES: ClassVar[dict[BidState, str]] = {
        BidState.VERIFYING: "核验中",
        BidState.REFUSED: "未通过核验",
        BidState.LATE_REJECTED: "逾期拒收",
        BidState.SEALED: "已递交",
        BidState.REPLACED: "已被新版本替换",
        BidState.WITHDRAWN: "已撤回",
        BidState.LOCKED: "等待解密",
        BidState.UNLOCKED: "投标人已解密",
        BidState.NOT_UNLOCKED: "未解密",
        BidState.OPENED: "已开启",
        BidState.REVOKED_BIDDER_FAULT: "视为撤销（投标人原因）",
        BidState.WITHDRAWN_OTHER_CAUSE: "视为撤回（非投标人原因）",
        BidState.RETURNED: "已退回",
    }
    MOVES: ClassVar[dict[BidState, set[BidState]]] = {
        BidState.VERIFYING: {BidState.SEALED, BidState.REFUSED, BidState.LATE_REJECTED, BidState.RETURNED},
        BidState.REFUSED: set(),
        BidState.LATE_REJECTED: set(),
        BidState.SEALED: {BidState.REPLACED, BidState.WITHDRAWN, BidState.LOCKED, BidState.RETURNED},
        BidState.REPLACED: set(),
        BidState.WITHDRAWN: set(),
        BidState.LOCKED: {BidState.UNLOCKED, BidState.NOT_UNLOCKED, BidState.RETURNED},
        BidState.UNLOCKED: {
            BidState.OPENED, BidState.REVOKED_BIDDER_FAULT, BidState.WITHDRAWN_OTHER_CAUSE, BidState.RETURNED,
        },
        BidState.NOT_UNLOCKED: {BidState.REVOKED_BIDDER_FAULT, BidState.WITHDRAWN_OTHER_CAUSE, BidState.RETURNED},
        BidState.OPENED: set(),
        BidState.REVOKED_BIDDER_FAULT: set(),
        BidState.WITHDRAWN_OTHER_CAUSE: set(),
        BidState.RETURNED: set(),
    }  # fmt: skip
    __table_args__ = (
        Index(
            "ix_bid_one_that_counts", "lot_id", "bidder_id", unique=True,
            postgresql_where=text(f"state IN ({_list(COUNTS)})"),
        ),
        Index(
            "ix_bid_seq_once", "lot_id", "bidder_id", "seq", unique=True,
            postgresql_where=text(f"state IN ({_list(ACCEPTED)})"),
        ),
        CheckConstraint(
            "state IN ('verifying', 'refused', 'late_rejected') OR (receipt IS NOT NULL AND seq IS NOT NULL)"
            " OR state = 'returned'",
            name="accepted_means_receipt",
        ),
        CheckConstraint("(kb IS NULL) = (unlocked_at IS NULL)", name="unlocked_means_key"),
        CheckConstraint("state <> 'unlocked' OR kb IS NOT NULL", name="unlocked_has_its_key"),
        CheckConstraint("(state = 'opened') = (plaintext_sha256 IS NOT NULL)", name="opened_means_read"),
    )  # fmt: skip

    registration_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tender_registration.id"), index=True)
    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"), index=True)
    lot_id: Mapped[int] = mapped_column(ForeignKey("lot.id"))
    bidder_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    upload_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("tender_upload.id"))
    state: Mapped[BidState] = mapped_column(by_value(BidState), default=BidState.VERIFYING)
    received_at: Mapped[datetime] = mapped_column(Moment)  # last byte durable, by the database's clock
    address: Mapped[str | None] = mapped_column(String(60))  # network address it came from (办法 第十四条)

    object_key: Mapped[str | None] = mapped_column(String(120))  # of the ciphertext; None once deleted
    size: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str] = mapped_column(String(64))
    signature: Mapped[bytes] = mapped_column(LargeBinary)  # detached CMS over the sealed file
    seq: Mapped[int | None] = mapped_column()
    header: Mapped[dict[str, Any] | None] = mapped_column(Json)
    verdict: Mapped[dict[str, Any] | None] = mapped_column(Json)
    refused_code: Mapped[str | None] = mapped_column(String(60))
    receipt: Mapped[dict[str, Any] | None] = mapped_column(Json)

    kb: Mapped[bytes | None] = mapped_column(LargeBinary)
    unlocked_at: Mapped[datetime | None] = mapped_column(Moment)
    unlock_receipt: Mapped[dict[str, Any] | None] = mapped_column(Json)

    result: Mapped[str | None] = mapped_column(String(60))  # OPENED, or the code of sealing.md §8
    culprit: Mapped[str | None] = mapped_column(String(80))
    plaintext_key: Mapped[str | None] = mapped_column(String(120))
    plaintext_sha256: Mapped[str | None] = mapped_column(String(64))
    price: Mapped[Money | None] = mapped_column(Fen)
    form: Mapped[dict[str, Any] | None] = mapped_column(Json)  # price.json as it stands in the bid
    contents: Mapped[list[dict[str, Any]] | None] = mapped_column(Json)  # names, sizes and digests of its documents
    fault: Mapped[str | None] = mapped_column(String(60))  # what is wrong inside; the panel decides
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment)  # 投标人确认开标记录

    tender: Mapped[Tender] = relationship()
    lot: Mapped[Lot] = relationship(lazy="joined", innerjoin=True)
    bidder: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)
    registration: Mapped[Registration] = relationship()

    @property
    def file(self) -> str:
        """Its own journal file; the name tells nobody anything."""
        return f"bid/{self.id}"


class Objection(Row):
    """An objection raised at the opening 开标异议 and its answer on the spot (实施条例 第四十四条)."""

    __tablename__ = "opening_objection"
    called: ClassVar[str] = "开标异议"
    __table_args__ = (CheckConstraint("(answer IS NULL) = (answered_at IS NULL)", name="answer_has_its_time"),)

    tender_id: Mapped[int] = mapped_column(ForeignKey("tender.id"), index=True)
    bidder_id: Mapped[int] = mapped_column(ForeignKey("organisation.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("person.id"))
    words: Mapped[str] = mapped_column(Text)
    raised_at: Mapped[datetime] = mapped_column(Moment)
    answer: Mapped[str | None] = mapped_column(Text)
    answered_by: Mapped[int | None] = mapped_column(ForeignKey("person.id"))
    answered_at: Mapped[datetime | None] = mapped_column(Moment)

    bidder: Mapped[Organisation] = relationship(lazy="joined", innerjoin=True)
