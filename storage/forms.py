"""Forms: what a person filled in becomes a checked value, or a refusal that says what to mend."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, get_origin
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, PlainSerializer, ValidationError, WithJsonSchema
from pydantic_core import PydanticCustomError

from storage.refusals import NotValid, Refusal
from storage.values import CreditCode, Money

M = TypeVar("M", bound=BaseModel)

SENTENCES = {
    "missing": "请填写这一项。",
    "string_too_short": "请填写这一项。",
    "string_too_long": "填写的内容太长，请缩短。",
    "greater_than": "填写的数太小。",
    "greater_than_equal": "填写的数太小。",
    "less_than": "填写的数太大。",
    "less_than_equal": "填写的数太大。",
    "enum": "请从列出的选项中选择。",
    "literal_error": "请从列出的选项中选择。",
}
OTHERWISE = "填写的内容不符合要求，请检查格式。"


class NotFilledIn(NotValid):
    """One or more fields are missing or wrong; `errors` has a sentence for each."""

    says = "有 {count} 处需要改正。"

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(count=len(errors))
        self.errors = errors


def read(model: type[M], given: Mapping[str, Any]) -> M:
    """The checked form; blank fields count as not filled in, and several values make a list."""
    filled: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        if get_origin(field.annotation) is list and hasattr(given, "getlist"):
            filled[name] = [value for value in given.getlist(name) if value.strip()]
        else:
            value = given.get(name)
            value = value.strip() if isinstance(value, str) else value
            if value not in (None, ""):
                filled[name] = value
    try:
        return model.model_validate(filled)
    except ValidationError as wrong:
        errors: dict[str, str] = {}
        for error in wrong.errors():
            name, sentence = _told(error)
            errors.setdefault(name, sentence)
        raise NotFilledIn(errors) from None


def _told(error: Any) -> tuple[str, str]:
    name = str(error["loc"][0]) if error["loc"] else "form"
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Refusal):
        return name, str(cause)
    return name, SENTENCES.get(error["type"], OTHERWISE)


class NotAMoment(NotValid):
    says = "“{text}”不是时间。请写成 2026-12-01 09:30 的样子（北京时间）。"


BEIJING = ZoneInfo("Asia/Shanghai")


def moment(text: Any) -> datetime:
    """A moment from what a form or a program sends; without a zone it is Beijing time."""
    try:
        told = text if isinstance(text, datetime) else datetime.fromisoformat(str(text).strip())
    except ValueError:
        raise NotAMoment(text=str(text)[:40]) from None
    return (told if told.tzinfo else told.replace(tzinfo=BEIJING)).astimezone(UTC)


def _checked(make: Callable[[Any], Any], kind: type) -> BeforeValidator:
    """Let a value of ours check a field: its refusal becomes the field's sentence."""

    def check(given: Any) -> Any:
        try:
            return given if isinstance(given, kind) and kind is not datetime else make(given)
        except Refusal as no:
            raise PydanticCustomError("refusal", str(no), {"error": no}) from None

    return BeforeValidator(check)


# Field types for forms and API bodies alike.
Yuan = Annotated[
    Any,
    _checked(Money.yuan, Money),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": r"^-?\d+(\.\d{1,2})?$"}),
]
When = Annotated[datetime, _checked(moment, datetime)]
Code = Annotated[Any, _checked(CreditCode, CreditCode), PlainSerializer(str), WithJsonSchema({"type": "string"})]
