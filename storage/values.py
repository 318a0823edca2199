"""Values that check themselves when they are made; after that nobody asks again."""

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from storage.refusals import NotValid


class NotAnAmount(NotValid):
    says = "“{text}”不是金额。请写成 1234.56 的样子，最多两位小数。"


class NotACreditCode(NotValid):
    says = "“{text}”不是有效的统一社会信用代码。请核对 18 位代码。"


class NotAPeriod(NotValid):
    says = "结束时间必须晚于开始时间。请改正时间。"


class NotAPercent(NotValid):
    says = "“{text}”不是百分比。请填写 0 到 100 之间的数。"


@dataclass(frozen=True, order=True)
class Money:
    """An amount of renminbi, counted in fen so that no sum is ever rounded by accident."""

    fen: int

    def __post_init__(self) -> None:
        assert type(self.fen) is int, f"fen are whole numbers, not {self.fen!r}"

    @classmethod
    def yuan(cls, text: str | int) -> "Money":
        """Money from yuan as people write it: `"1,234.5"`, `"0.05"`, `12`."""
        plain = str(text).replace(",", "").replace("，", "").strip()
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,2})?", plain):
            raise NotAnAmount(text=str(text)[:40])
        return cls(int(Decimal(plain) * 100))

    def __add__(self, other: "Money") -> "Money":
        return Money(self.fen + other.fen)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.fen - other.fen)

    def __neg__(self) -> "Money":
        return Money(-self.fen)

    def __str__(self) -> str:
        sign, whole = ("-" if self.fen < 0 else ""), abs(self.fen)
        return f"{sign}{whole // 100}.{whole % 100:02d}"


_CODE_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"  # GB 32100-2015, 4.2: no I, O, S, V, Z


class CreditCode(str):
    """统一社会信用代码: 18 characters, the last one a check character (GB 32100-2015, 5)."""

    def __new__(cls, text: str) -> "CreditCode":
        code = str(text).strip().upper()
        if not re.fullmatch(f"[{_CODE_LETTERS}]{{18}}", code) or code[17] != check_character(code[:17]):
            raise NotACreditCode(text=str(text)[:40])
        return super().__new__(cls, code)


def check_character(first_17: str) -> str:
    """The 18th character of a credit code: 31 − Σ Cᵢ·3^(i−1) mod 31 (GB 32100-2015, 5)."""
    total = sum(_CODE_LETTERS.index(letter) * pow(3, place, 31) for place, letter in enumerate(first_17))
    return _CODE_LETTERS[(31 - total % 31) % 31]


@dataclass(frozen=True, order=True)
class Period:
    """A stretch of time, start included, end excluded; both moments know their time zone."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        assert self.start.tzinfo, "a moment knows its time zone"
        assert self.end.tzinfo, "a moment knows its time zone"
        if self.end <= self.start:
            raise NotAPeriod

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: "Period") -> bool:
        """Whether both share a moment."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, order=True)
class Percent:
    """A share of a hundred, exact."""

    of_hundred: Decimal

    def __post_init__(self) -> None:
        try:
            good = 0 <= Decimal(self.of_hundred) <= 100
        except InvalidOperation:
            good = False
        if not good:
            raise NotAPercent(text=str(self.of_hundred)[:20])
        object.__setattr__(self, "of_hundred", Decimal(self.of_hundred))

    def of(self, amount: Decimal) -> Decimal:
        return amount * self.of_hundred / 100
