"""A no is a class beside its rule, with the sentence that tells the person what to do next.

Four kinds answer four questions and decide the HTTP status in one place (`app.errors`): who (NotYours),
where (NotFound), when (NotNow), what (NotValid). A bug is an assertion, never a refusal.
"""

import re
from typing import Any, ClassVar


class Refusal(Exception):
    """An act that may not happen, told to the person who tried it.

    `says` is the Chinese source sentence; its `{names}` are filled from `facts`. Facts never carry a
    secret: they are shown to the person and may be logged.
    """

    says: ClassVar[str]
    kinds: ClassVar[list[type["Refusal"]]] = []

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.facts = facts

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Refusal.kinds.append(cls)

    @property
    def code(self) -> str:
        """A stable name for machines, e.g. `still_open` for StillOpen."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def sentence(self, translate=lambda text: text) -> str:
        """The sentence with its facts, in the language that `translate` gives."""
        return translate(self.says).format_map({key: _spoken(value, translate) for key, value in self.facts.items()})

    def __str__(self) -> str:
        return self.sentence()


def _spoken(value: Any, translate) -> Any:
    """Names inside a sentence (a state, a thing's name) are in the same language as the sentence."""
    return translate(value) if type(value) is str else value


class NotYours(Refusal):
    """Who: this person may not do this."""

    says = "这项操作不属于您。请用有权办理的账号登录，或联系交易中心。"


class NotFound(Refusal):
    """Where: there is no such thing, or none that this person may see (told apart for nobody)."""

    says = "没有找到您要的内容。请检查网址，或从首页重新查找。"


class NotNow(Refusal):
    """When: not in this state, or not at this moment."""

    says = "现在还不能办理。请查看本页的办理时间。"


class NotValid(Refusal):
    """What: the thing handed in is not right."""

    says = "提交的内容有误。请按提示改正后再提交。"
