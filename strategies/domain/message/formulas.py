"""Fields that compute: "=signal.price * 1.01". A small language of our own, in decimals, bounded in length and depth.

    expression  choice
    choice      either ("?" choice ":" choice)?
    either      both ("or" both)*
    both        negated ("and" negated)*
    negated     "not" negated | compared
    compared    sum (("<" | "<=" | ">" | ">=" | "==" | "!=" | "in") sum | "in" list)?
    sum         product (("+" | "-" | "~") product)*          ~ joins texts
    product     signed (("*" | "/" | "%") signed)*
    signed      ("-" | "+") signed | value
    value       number | "text" | true | false | signal.name | function "(" choice ("," choice)* ")" | "(" choice ")"

There is no loop, no assignment and no attribute but those of the message itself, so it ends and reaches nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
    DecimalException,
    localcontext,
)
from typing import Any

from strategies.domain.message.refusals import Refused, invalid
from strategies.domain.numbers import round_to_step, snap

MOST_CHARACTERS = 300
MOST_NESTING = 20
_CONTEXT = Context(prec=28, Emin=-60, Emax=60)

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d{1,20}(?:\.\d{1,20})?|\.\d{1,20})|(?P<text>"[^"]*"|'[^']*')
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    |(?P<sign><=|>=|==|!=|&&|\|\||[-+*/%<>?:~(),\[\]!]))""",
    re.VERBOSE,
)
_ROUNDINGS = {
    "common": ROUND_HALF_UP,
    "half_up": ROUND_HALF_UP,
    "half_even": ROUND_HALF_EVEN,
    "up": ROUND_UP,
    "down": ROUND_DOWN,
    "ceil": ROUND_CEILING,
    "floor": ROUND_FLOOR,
}
_SPELLINGS = {"&&": "and", "||": "or", "!": "not"}

Value = Decimal | str | bool


def evaluate(formula: str, field: str, values: Mapping[str, Any], number: Callable[[object], Decimal | None]) -> Value:
    """The value of a formula (without its "=") over a message's top-level fields; raises Refused."""
    if len(formula) > MOST_CHARACTERS:
        raise _wrong("length", field, f"is longer than {MOST_CHARACTERS} characters. Shorten it")
    with localcontext(_CONTEXT):
        try:
            result = _Parser(_tokens(formula, field), field, values, number).whole()
        except (DecimalException, ZeroDivisionError):
            raise _wrong("result", field, "has no result, as when it divides by zero. Check its numbers") from None
    return result


class _Parser:
    """Reads and computes in one pass. Both branches of a choice are computed; nothing has side effects."""

    def __init__(
        self,
        tokens: list[tuple[str, str]],
        field: str,
        values: Mapping[str, Any],
        number: Callable[[object], Decimal | None],
    ) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.field = field
        self.values = values
        self.number = number

    def whole(self) -> Value:
        value = self.choice()
        if self.at != len(self.tokens):
            raise self.syntax()
        return value

    def choice(self) -> Value:
        self.depth += 1
        if self.depth > MOST_NESTING:
            raise _wrong("length", self.field, f"is nested more than {MOST_NESTING} deep. Simplify it")
        value = self.either()
        if self.take("?"):
            yes = self.choice()
            self.need(":")
            no = self.choice()
            value = yes if self.truth(value) else no
        self.depth -= 1
        return value

    def either(self) -> Value:
        value = self.both()
        while self.take("or"):
            right = self.both()
            value = self.truth(value) | self.truth(right)
        return value

    def both(self) -> Value:
        value = self.negated()
        while self.take("and"):
            right = self.negated()
            value = self.truth(value) & self.truth(right)
        return value

    def negated(self) -> Value:
        # Counted, not recursed: "not not not ..." is as deep as the text is long.
        times = 0
        while self.take("not"):
            times += 1
        value = self.compared()
        return (not self.truth(value)) == (times % 2 == 1) if times else value

    def compared(self) -> Value:
        left = self.sum()
        for sign, test in _COMPARISONS.items():
            if self.take(sign):
                right = self.sum()
                if type(left) is not type(right) or (sign not in {"==", "!="} and not isinstance(left, Decimal)):
                    raise self.operator(sign)
                return test(left, right)
        if self.take("in"):
            return any(type(one) is type(left) and one == left for one in self.listed())
        return left

    def listed(self) -> list[Value]:
        self.need("[")
        values_listed = [self.sum()]
        while self.take(","):
            values_listed.append(self.sum())
        self.need("]")
        return values_listed

    def sum(self) -> Value:
        value = self.product()
        while True:
            if self.take("~"):
                value = _text(value) + _text(self.product())
            elif self.take("+"):
                value = self.decimal(value, "+") + self.decimal(self.product(), "+")
            elif self.take("-"):
                value = self.decimal(value, "-") - self.decimal(self.product(), "-")
            else:
                return value

    def product(self) -> Value:
        value = self.signed()
        while True:
            if self.take("*"):
                value = self.decimal(value, "*") * self.decimal(self.signed(), "*")
            elif self.take("/"):
                value = self.decimal(value, "/") / self.decimal(self.signed(), "/")
            elif self.take("%"):
                value = self.decimal(value, "%") % self.decimal(self.signed(), "%")
            else:
                return value

    def signed(self) -> Value:
        signs = 0
        minus = False
        while self.peek() in {"-", "+"}:
            minus ^= self.next()[1] == "-"
            signs += 1
        value = self.value()
        if not signs:
            return value
        return -self.decimal(value, "-") if minus else self.decimal(value, "+")

    def value(self) -> Value:
        kind, text = self.next()
        if kind == "number":
            return Decimal(text)
        if kind == "text":
            return text[1:-1]
        if kind == "name":
            return self.named(text)
        if text == "(":
            value = self.choice()
            self.need(")")
            return value
        raise self.syntax()

    def named(self, name: str) -> Value:
        if name in {"true", "false"}:
            return name == "true"
        if self.take("("):
            return self.called(name)
        head, _, key = name.partition(".")
        field_value = self.values.get(key) if head == "signal" and "." not in key else None
        if isinstance(field_value, bool):
            return field_value
        if (value := self.number(field_value)) is not None:
            return value
        if isinstance(field_value, str) and not field_value.startswith("="):
            return field_value
        raise _wrong("reference", self.field, f"refers to {name[:60]}, which is no plain field of the message. Send it")

    def called(self, name: str) -> Value:
        arguments = [self.choice()]
        while self.take(","):
            arguments.append(self.choice())
        self.need(")")
        if name not in {"abs", "ceil", "floor", "max", "min", "round"}:
            raise _wrong("operator", self.field, f"calls {name[:60]}. Use abs, ceil, floor, max, min or round")
        if name == "round":
            return self.rounded(arguments)
        numbers = [self.decimal(value, name) for value in arguments]
        if name in {"max", "min"}:
            return max(numbers) if name == "max" else min(numbers)
        if len(numbers) != 1:
            raise self.syntax()
        if name == "abs":
            return abs(numbers[0])
        return round_to_step(numbers[0], ROUND_CEILING if name == "ceil" else ROUND_FLOOR)

    def rounded(self, arguments: list[Value]) -> Decimal:
        """round(value), round(value, places), round(value, places, "down")."""
        value = self.decimal(arguments[0], "round")
        places = self.decimal(arguments[1], "round") if len(arguments) > 1 else Decimal(0)
        rounding = _ROUNDINGS.get(str(arguments[2])) if len(arguments) > 2 else ROUND_HALF_UP
        if rounding is None or len(arguments) > 3 or places != int(places) or not 0 <= places <= 12:
            raise self.syntax()
        step = Decimal(1).scaleb(-int(places))
        # Snapped to halves of the step, since that is where rounding turns.
        return snap(value, step / 2).quantize(step, rounding=rounding)

    def truth(self, value: Value) -> bool:
        if not isinstance(value, bool):
            raise self.operator("a condition")
        return value

    def decimal(self, value: Value, sign: str) -> Decimal:
        if not isinstance(value, Decimal):
            raise self.operator(sign)
        return value

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def next(self) -> tuple[str, str]:
        if self.at >= len(self.tokens):
            raise self.syntax()
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, text: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] in {("sign", text), ("name", text)}:
            self.at += 1
            return True
        return False

    def need(self, text: str) -> None:
        if not self.take(text):
            raise self.syntax()

    def syntax(self) -> Refused:
        return _wrong("syntax", self.field, "is incomplete or misspelled. Write it like =signal.price * 1.01")

    def operator(self, sign: str) -> Refused:
        return _wrong("operator", self.field, f"uses {sign} on a value it is not for. Numbers go with numbers")


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": lambda left, right: left <= right,
    ">=": lambda left, right: left >= right,
    "==": lambda left, right: left == right,
    "!=": lambda left, right: left != right,
    "<": lambda left, right: left < right,
    ">": lambda left, right: left > right,
}


def _tokens(formula: str, field: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    at, end = 0, len(formula.rstrip())
    while at < end:
        match = _TOKEN.match(formula, at)
        if match is None or match.lastgroup is None:
            raise _wrong("syntax", field, "has a character that no formula has. Write it like =signal.price * 1.01")
        text = match[match.lastgroup]
        tokens.append(("sign", _SPELLINGS[text]) if text in _SPELLINGS else (match.lastgroup, text))
        at = match.end()
    return tokens


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:f}" if isinstance(value, Decimal) else value


def _wrong(kind: str, field: str, what: str) -> Refused:
    return invalid(f"invalid-formula-{kind}", f"The formula of {field} {what}.", field=field)
