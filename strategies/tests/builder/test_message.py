"""The template builder: whatever its form lets through, the webhook takes, in every sender's own form."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from django.http import QueryDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.tests.samples import samples
from strategies.builder import message, paste, placeholders
from strategies.builder.message import PLACEHOLDERS, Source
from strategies.domain.message.symbols import Kind
from strategies.models import Strategy
from strategies.pages.forms.builder import BuilderForm
from strategies.reading import parse
from strategies.webhook.passwords import signing_keys
from strategies.webhook.senders import SIGNATURE_HEADER, Sender, SenderRules, check_sender

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
URL, KEY = "https://example.com/trading/webhook/abc/secret", "signing-key"
NUMBERS = st.sampled_from(["1", "0.5", "10", "250.25", "=2 * 3", "=signal.quantity * 2"])
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)


def form(kind: Kind, **values: Any) -> BuilderForm:
    data = QueryDict(mutable=True)
    data.update({name: str(value) for name, value in values.items()})
    return BuilderForm(data, strategy=Strategy(asset_class=kind), now=NOW, address="/")


@st.composite
def states(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> tuple[Kind, dict[str, str]]:
    """A state of the form: for every choice one of those it offers, as a person would make them from top to bottom."""
    kind = draw(st.sampled_from(list(Kind)))
    values: dict[str, str] = {"source": draw(st.sampled_from(list(Source)))}
    for name in BuilderForm.base_fields:
        field = form(kind, **values).fields.get(name)
        if field is None or name == "source":
            continue
        if hasattr(field, "choices"):
            values[name] = draw(st.sampled_from([key for key, _ in field.choices]))
        elif type(field).__name__ == "BooleanField":
            values[name] = draw(st.sampled_from(["on", ""]))
        else:
            values[name] = draw(texts)
    return kind, values


def taken(text: str, kind: Kind) -> dict[str, Any]:
    return parse.parse(text.encode(), kind=kind, allowed_tickers=(), now=NOW).message.reading()


@settings(max_examples=samples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states(st.just("")), st.data())
def test_every_combination_it_offers_is_taken(state: tuple[Kind, dict[str, str]], data: st.DataObject) -> None:
    kind, values = state
    if values.get("sizing", "").startswith("risk_"):
        values |= {"stop_loss": "stop", "stop_loss_mode": "percent"}
    sizes = {"quantity", "touch", "trail_value", "take_profit_value", "stop_loss_value", "stop_loss_offset"}
    for name in sizes & form(kind, **values).fields.keys():
        values[name] = data.draw(st.sampled_from(["1", "0.5", "10", "=2 * 3"]))
    if "good_till" in form(kind, **values).fields:
        values["good_till"] = data.draw(st.sampled_from(["+3 days", "2026-12-04", "2026-12-04T15:30:00-05:00"]))
    for name in {"limit", "stop", "stop_loss_limit"} & form(kind, **values).fields.keys():
        values[name] = data.draw(st.sampled_from(["", "250.25", "=100 * 1.01"]))
    if "take_profit_more" in form(kind, **values).fields:
        values["take_profit_more"] = data.draw(st.sampled_from(["", "20 30", "=2 * 3; =min(4, 5); 9"]))
        count = 1 + len(message.listed(values["take_profit_more"]))
        parts = ["", " ".join(count * ["25%"]), " ".join(count * ["2"])]
        values["take_profit_parts"] = data.draw(st.sampled_from(parts))
    made = form(kind, **values)
    assert made.is_valid(), made.errors
    choice = made.choice(made.cleaned_data)
    assert (
        parse.parse(message.filled(choice, NOW).encode(), kind=kind, allowed_tickers=(), now=NOW).warnings == ()
        or choice.ticker == ""
    )


@settings(max_examples=samples(150), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states(st.one_of(NUMBERS, TEXTS, st.just(""))))
def test_whatever_is_typed_is_refused_by_a_field_or_taken(state: tuple[Kind, dict[str, str]]) -> None:
    kind, values = state
    made = form(kind, **values)
    if not made.is_valid():
        assert made.errors
        return
    choice = made.choice(made.cleaned_data)
    reading = taken(message.filled(choice, NOW), kind)
    assert taken(as_sent(choice), kind) == reading


def as_sent(choice: message.Choice) -> str:
    """What the sender's own machinery makes of the text, with the examples in place of its facts."""
    text = paste.text(choice, URL, KEY)
    examples = {
        slot: json.loads(message.filled(value, NOW))[name]
        for slot, name, value in (
            (message.Slot.TICKER, "ticker", message.Choice(source=Source.PINE, action="buy", example=choice.example)),
        )
    }
    examples |= {
        message.Slot.PRICE: "100",
        message.Slot.TIME: "2026-11-20T15:00:00Z",
        message.Slot.BAR: "2026-11-20T15:00:00Z",
        message.Slot.INTERVAL: "5",
        message.Slot.ACTION: "buy",
        message.Slot.CONTRACTS: "1",
        message.Slot.POSITION: "long",
        message.Slot.POSITIONSIZE: "1",
        message.Slot.PREVIOUS: "flat",
        message.Slot.PREVIOUSSIZE: "0",
        message.Slot.SIGNEDSIZE: "1",
        message.Slot.ORDERID: "Long",
        message.Slot.UNIQUE: "9f6c1b54-0c5e-4f0e-9f43-6a7f6f1f7d11",
    }
    slots = {name: examples[slot] for slot, name in PLACEHOLDERS[choice.source].items()}
    match choice.source:
        case Source.PINE:
            return pine_value(text, slots)
        case Source.PYTHON:
            return json.dumps(python_value(text, slots))
        case Source.CURL:
            return curl_value(text, slots)
    for placeholder, sample in slots.items():
        text = text.replace(placeholder, sample)
    return text


def pine_value(text: str, slots: dict[str, str]) -> str:
    """The value of `message = '...' + syminfo.ticker + '...'`: Pine's literals are Python's here."""
    source = text.partition("message = ")[2].partition("\n\nif when\n")[0]
    placeholders_used = []
    while source:
        source = source.lstrip(" +\n")
        if literal := re.match(r"'(?:[^'\\]|\\.)*'", source):
            placeholders_used.append(ast.literal_eval(literal[0]))
            source = source[literal.end() :]
        else:
            name = next(each for each in slots if source.startswith(each))
            placeholders_used.append(slots[name])
            source = source[len(name) :]
    return "".join(placeholders_used)


def python_value(text: str, slots: dict[str, str]) -> Any:
    """The dict after `message =`, calls replaced by what they return."""
    tree = ast.parse(text)
    node = next(
        each for each in tree.body if isinstance(each, ast.Assign) and ast.unparse(each.targets[0]) == "message"
    )

    class Calls(ast.NodeTransformer):
        def visit_Call(self, call: ast.Call) -> ast.Constant:
            return ast.Constant(slots[ast.unparse(call)])

    return ast.literal_eval(Calls().visit(node.value))


def curl_value(text: str, slots: dict[str, str]) -> str:
    """The body as a shell would pass it, with its commands answered."""
    for command, sample in slots.items():
        text = text.replace(f'"{command}"', sample)
    words = shlex.split(text.replace("\\\n", ""))
    if "-d" in words:
        return words[words.index("-d") + 1]
    return next(word for word in words if word.startswith("body="))[5:]


def test_a_state_of_the_past_gives_way_to_what_is_offered_now() -> None:
    made = form(Kind.FUTURE, source="trendspider", action="strategy", sizing="dollar_amount", quantity="5", time="on")
    assert made.is_valid(), made.errors
    assert json.loads(paste.text(made.choice(made.cleaned_data), URL, KEY)) == {
        "ticker": "%alert_symbol%",
        "action": "buy",
    }


def test_sizing_by_risk_asks_for_a_stop() -> None:
    made = form(Kind.STOCK, source="curl", action="buy", sizing="risk_percent", quantity="1")
    assert made.errors["sizing"] == ["Sizing by risk needs a stop loss. Choose one below."]


def test_a_mistake_is_shown_at_its_field() -> None:
    made = form(Kind.STOCK, source="curl", action="buy", ticker="no such thing", sizing="fixed_quantity", quantity="1")
    assert list(made.errors) == ["ticker"]
    made = form(Kind.STOCK, source="curl", action="buy", order_type="limit", limit="=signal.price * 2")
    assert list(made.errors) == ["limit"]
    made = form(
        Kind.STOCK, source="curl", action="buy", stop_loss="stop", stop_loss_mode="percent", stop_loss_value="x"
    )
    assert list(made.errors) == ["stop_loss_value"]


def test_the_tradingview_strategy_message_follows_the_strategys_orders() -> None:
    made = form(
        Kind.STOCK,
        source="tradingview-strategy",
        action="strategy",
        sizing="strategy",
        sentiment="strategy",
        price="on",
        time="on",
        signal_id="on",
    )
    assert made.is_valid(), made.errors
    assert json.loads(paste.text(made.choice(made.cleaned_data), URL, KEY)) == {
        "ticker": "{{exchange}}:{{ticker}}",
        "action": "{{strategy.order.action}}",
        "sentiment": "{{strategy.market_position}}",
        "quantity": "{{strategy.order.contracts}}",
        "price": "{{close}}",
        "time": "{{timenow}}",
        **placeholders.TRADINGVIEW_ORDER,
    }


def test_the_position_of_a_tradingview_strategy_may_be_the_target() -> None:
    made = form(Kind.FUTURE, source="tradingview-strategy", action="strategy", sizing="position", time="on")
    assert made.is_valid(), made.errors
    assert json.loads(paste.text(made.choice(made.cleaned_data), URL, KEY)) == {
        "ticker": "{{exchange}}:{{ticker}}",
        "action": "{{strategy.order.action}}",
        "targetQuantity": "{{strategy.position_size}}",
        "time": "{{timenow}}",
        "orderId": "{{strategy.order.id}}",
        "marketPositionSize": "{{strategy.market_position_size}}",
    }


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("sign", [False, True])
def test_nothing_typed_leaves_the_quotation_marks_of_a_terminal(sign: bool, tmp_path: Path) -> None:
    """A shared link must not be able to put a command into what somebody pastes."""
    bash = shutil.which("bash")
    assert bash
    evil = "'\"$(touch pwned)`touch pwned`\\"
    choice = message.Choice(
        source=Source.CURL, action="buy", ticker=evil, sizing="fixed_quantity", quantity=evil, time=True, sign=sign
    )
    # What would be sent, instead of sending it.
    (tmp_path / "curl").write_text('#!/bin/bash\nprintf "%s\\n" "$@" > args\n')
    (tmp_path / "curl").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    script = paste.text(choice, URL, KEY)
    subprocess.run([bash, "-c", script], cwd=tmp_path, env={"PATH": path}, check=True, timeout=20, capture_output=True)
    sent = (tmp_path / "args").read_text()
    assert not (tmp_path / "pwned").exists()
    body = json.loads(next(line for line in sent.splitlines() if line.startswith("{")))
    assert body["ticker"] == body["quantity"] == evil
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", body["time"])


@pytest.mark.usefixtures("servers")
@pytest.mark.parametrize("source", [Source.PYTHON, Source.CURL])
def test_a_program_signs_what_it_sends_as_the_webhook_checks_it(source: Source, tmp_path: Path) -> None:
    """Run as it stands, against a server that keeps what it was sent."""
    if source is Source.CURL and not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("no curl or no openssl on this machine")
    endpoint = UUID("6f1f7d11-0c5e-4f0e-9f43-9f6c1b546a7f")
    evil = '" + __import__("os").getcwd() + "'
    choice = message.Choice(source=source, action="buy", ticker=evil, time=True, sign=True)
    with keeping() as (url, kept):
        program = paste.text(choice, url, signing_keys(endpoint)[0])
        command = [sys.executable, "-c"] if source is Source.PYTHON else ["bash", "-c"]
        done = subprocess.run([*command, program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "kept" in done.stdout
    headers, body = kept[0]
    assert json.loads(body)["ticker"] == evil
    assert headers["Content-Type"] == "application/json"
    sender = Sender(signature=headers[SIGNATURE_HEADER])
    rules = SenderRules(signature_required=True)
    assert check_sender(sender, rules, endpoint, body, datetime.now(UTC)) is None
    refused = check_sender(sender, rules, endpoint, body + b" ", datetime.now(UTC))
    assert refused is not None
    assert refused.code == "invalid-signature"


@contextmanager
def keeping() -> Iterator[tuple[str, list[tuple[Message, bytes]]]]:
    """A server on loopback that keeps every request and answers each with a little JSON."""
    kept: list[tuple[Message, bytes]] = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kept.append((self.headers, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"answer": "kept"}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Keeper)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", kept
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_moved_stop_keeps_its_type_and_a_trail_names_it() -> None:
    moved = message.Choice(
        source=Source.CURL,
        action="modify",
        ticker="SPY",
        stop_loss="stop",
        stop_loss_mode="stopPrice",
        stop_loss_value="641.5",
    )
    assert message.values(moved) == {"ticker": "SPY", "action": "modify", "stopLoss": {"stopPrice": Decimal("641.5")}}
    trailing = replace(moved, stop_loss="trailing_stop", stop_loss_mode="trailAmount", stop_loss_value="2")
    assert message.values(trailing)["stopLoss"] == {"type": "trailing_stop", "trailAmount": Decimal(2)}
