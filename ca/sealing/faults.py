"""What can be wrong with a sealed file or an opening, under stable names, and whose doing it is.

Codes at upload (`UPLOAD`, in the order in which they are looked for) are told to the bidder at once. The
others are verdicts of an opening; `Fault.culprit` names who is to blame, provable from public bytes alone.
"""

from dataclasses import dataclass

from storage.refusals import NotValid

UPLOAD = {
    "NOT_SEALED": "不是加密投标文件",
    "NOT_CANONICAL": "文件头不符合规范写法",
    "FIELDS": "文件头的字段不对",
    "LENGTHS": "文件头中某一项的长度不对",
    "LENGTH": "文件不完整，或多出内容",
    "OTHER_OPENING_OR_MODE": "文件是为另一次开标或另一种方式加密的",
    "OTHER_LOT": "文件属于另一个标段",
    "OTHER_BIDDER": "文件属于另一个投标人",
    "OTHER_SEQ": "文件的版本号不是下一个版本",
}

BIDDER, PLATFORM = "bidder", "platform"


@dataclass(eq=False)
class Fault(Exception):
    """An opening, or one step of it, that failed: which check, and who is to blame."""

    code: str  # one of UPLOAD, or DIGEST WRONG_KB NOT_UNLOCKED FALSE_KEY MALFORMED_LOCK_C CONTENT PADDING
    culprit: str  # "bidder", "platform" or "holder/<id>"
    why: str = ""

    def __str__(self) -> str:
        return f"{self.code} ({self.culprit})" + (f": {self.why}" if self.why else "")


class UploadRefused(NotValid):
    """A file that is not properly sealed for this opening (招标投标法实施条例 art. 36)."""

    says = "加密文件未通过检查：{reason}（{fault}）。请重新加密后再提交。"

    def __init__(self, fault: str) -> None:
        super().__init__(fault=fault, reason=UPLOAD[fault])


class ParamsWrong(ValueError):
    """These are no valid parameters of an opening, or not fit for what they are to serve."""


class MayNotRelease(Exception):
    """The holder's own gate refuses: releasing now, or for this, would break a promise."""
