"""docs/signals.md names every code a sender can be told and every field, and no other."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings

from strategies.reading.parse import evaluate
from strategies.reading.sent import KNOWN

HERE = settings.BASE_DIR / "strategies"
PAGE = (settings.BASE_DIR / "docs" / "signals.md").read_text()
MODULES = [
    *(
        f"reading/{name}"
        for name in [
            "parse",
            "combos",
            "contract",
            "sent",
            "fields",
            "good_till",
            "ladders",
            "modifying",
            "notes",
            "order_shape",
            "sender_position",
            "strict_json",
        ]
    ),
    *(f"webhook/{name}" for name in ["answers", "delivery", "door", "intake", "senders"]),
    *(f"domain/message/{name}" for name in ["symbols", "options", "venues", "formulas", "freshness", "good_till"]),
    *(f"deciding/{name}" for name in ["settle", "superseded"]),
    # What two options make, which the message of a signal is refused by.
    "../brokers/domain/contracts/combos",
]
_CODE = re.compile(r"[a-z]+(?:-[a-z]+)*")
# Where a code stands among the arguments of those who make refusals; of `_wrong` only its last word is written.
MAKERS = {
    "invalid": 0,
    "Problem": 0,
    "Refused": 1,
    "SetAside": 0,
    "_set_aside": 1,
    "_wrong": 0,
    "NotACombo": 1,
}
# Told on our own pages, where there is no sender.
OURS = {"no-webhook"}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")][2:]


def documented() -> dict[str, int]:
    return {row[1].strip("`"): int(row[0]) for row in first_cells(section("Codes"))}


def constants(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and _CODE.fullmatch(each.value):
            yield each.value


def written(module: str) -> Iterator[str]:
    """The codes in a module's source: at their place in a call, and as the last arguments of the readers of fields."""
    tree = ast.parse((HERE / f"{module}.py").read_text())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "_wrong":
            kind = call.args[0]
            assert isinstance(kind, ast.Constant)
            yield f"invalid-formula-{kind.value!s}"
        elif name in MAKERS and len(call.args) > MAKERS[name]:
            yield from constants(call.args[MAKERS[name]])
    for text in constants(tree):
        if text.startswith("invalid-"):
            yield text


def brackets() -> Iterator[str]:
    """The codes of takeProfit and stopLoss are put together from parts, so they are asked for."""
    keys = {
        "takeProfit": ["percent", "amount", "limitPrice", "pnlAmount"],
        "stopLoss": [
            "percent",
            "amount",
            "stopPrice",
            "pnlAmount",
            "limitPrice",
            "trailAmount",
            "trailPercent",
            "limitOffset",
        ],
    }
    now = datetime(2026, 11, 20, tzinfo=UTC).isoformat()
    for name, modes in keys.items():
        chosen = itertools.chain.from_iterable(itertools.combinations(modes, n) for n in range(4))
        types = (
            [None, "stop", "stop_limit", "trailing_stop", "trailing_stop_limit", "nonsense"]
            if name == "stopLoss"
            else [None]
        )
        wrong_brackets: list[object] = [
            {**dict.fromkeys(picked, value), **({"type": kind} if kind else {})}
            for picked, kind, value in itertools.product(list(chosen), types, (1, -1))
        ]
        for bracket in [*wrong_brackets, 5]:
            body = json.dumps({"ticker": "SPY", "action": "buy", name: bracket})
            answer = evaluate({"body": body, "context": {"now": now}})
            if answer["expect"] == "reject":
                yield answer["messageCode"]
    for targets in (
        [],
        [{"limitPrice": 1, "quantity": 0}],
        [{"limitPrice": 1, "quantityPercent": 101}],
    ):
        body = json.dumps({"ticker": "SPY", "action": "buy", "takeProfit": targets})
        yield evaluate({"body": body, "context": {"now": now}})["messageCode"]
    body = json.dumps({"ticker": "SPY", "action": "buy", "stopLoss": {"stopPrice": 1, "moveTo": "moon"}})
    yield evaluate({"body": body, "context": {"now": now}})["messageCode"]


def test_every_code_is_documented_and_every_documented_code_can_be_told() -> None:
    written_here = set(itertools.chain.from_iterable(written(module) for module in MODULES)) | set(brackets())
    assert written_here - OURS == set(documented())


def test_the_cases_find_their_codes_with_their_status() -> None:
    cases = (HERE / "tests" / "reading" / "payloads" / "webhook_cases.jsonl").read_text().splitlines()
    expected = {
        case["canonical"]["messageCode"]: case["canonical"]["status"]
        for case in map(json.loads, cases)
        if case["expect"] == "reject"
    }
    assert expected.items() <= documented().items()


def test_every_field_is_documented_and_no_other() -> None:
    assert {row[0].strip("`") for row in first_cells(section("Fields"))} == KNOWN


def test_the_examples_of_messages_are_taken() -> None:
    bodies = [json.loads(block) for block in re.findall(r"```json\n(\{\"ticker.*?)\n```", PAGE, re.DOTALL)]
    assert bodies
    for body in bodies:
        answer = evaluate({"body": json.dumps(body), "context": {"now": "2026-11-20T15:00:00Z"}})
        assert answer["expect"] == "accept", answer


def test_links_within_the_page_lead_somewhere() -> None:
    titles = {re.sub(r"[^a-z]+", "-", title.lower()) for title in re.findall(r"^## (.+)$", PAGE, re.MULTILINE)}
    assert set(re.findall(r"\]\(#([a-z-]+)\)", PAGE)) <= titles
