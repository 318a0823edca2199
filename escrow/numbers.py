"""Numbers of virtual sub-accounts 虚拟子账号: random, so that none tells how many there are, with a check digit."""

import re
import secrets

from escrow import rules


def draw() -> str:
    """A new number: the bank's prefix, random digits, and a check digit that catches a slip of the pen."""
    form = rules.table("deposits")["sub_account"]
    body = form["prefix"] + "".join(secrets.choice("0123456789") for _ in range(form["random_digits"]))
    return body + check_digit(body)


def check_digit(body: str) -> str:
    """The Luhn digit (ISO/IEC 7812-1, annex B) of a string of digits."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def is_ours(number: str) -> bool:
    """Whether this could be a number of ours: prefix, length and check digit are right."""
    form = rules.table("deposits")["sub_account"]
    length = len(form["prefix"]) + form["random_digits"] + 1
    return (
        len(number) == length and number.isdigit() and number.startswith(form["prefix"])
        and check_digit(number[:-1]) == number[-1]
    )  # fmt: skip


def found_in(*texts: str) -> list[str]:
    """Every number of ours in what a payer wrote, though a bank cut it into lines or spaced it out."""
    found: dict[str, None] = {}
    for text in texts:
        for run in re.findall(r"\d[\d\s\-]*", text):
            digits = re.sub(r"\D", "", run)
            form = rules.table("deposits")["sub_account"]
            length = len(form["prefix"]) + form["random_digits"] + 1
            for start in range(len(digits) - length + 1):
                if is_ours(candidate := digits[start : start + length]):
                    found[candidate] = None
    return list(found)
