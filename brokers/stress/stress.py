"""Stress: do to a simulated session what IBKR does on its bad days, and see how Halyard copes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from accounts import audit
from accounts.models import User
from accounts.refusals import Refusal
from brokers.domain.sessions import Environment
from brokers.models import Connection
from brokers.stress import control_plane

_ORDERS = {"method": "POST", "path": "/iserver/account/*/orders"}
# Long enough to send an order by hand; what nobody meets in this time disarms itself.
ARMED_S = 600
RESET_IN_S, RESET_FOR_S = 10, 30
TOO_MANY = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """One thing that can be done to a session: what will happen, and what Halyard will do about it."""

    code: str
    icon: str
    label: str
    verb: str
    happens: str
    copes: str
    done: str
    what: str = "faults"
    body: dict[str, Any] = field(default_factory=dict)

    def request(self) -> dict[str, Any]:
        """The control plane's request; a fault carries our name for it, and is forgotten after a while."""
        return {"name": self.code, "ttl_s": ARMED_S, **self.body} if self.what == "faults" else self.body


BUTTONS = {
    button.code: button
    for button in (
        Button(
            code="steal",
            icon="users",
            label="Steal my session",
            verb="Steal it now",
            happens="Another login of the same user takes the session, as TWS or the phone would.",
            copes="Halyard says so in the story, takes the session back, and sends what waited meanwhile.",
            done="Another login has the session now.",
            what="steal",
        ),
        Button(
            code="cut",
            icon="link",
            label="Cut the websocket",
            verb="Cut it now",
            happens="The live stream of orders and fills breaks off without a word.",
            copes="Halyard opens it again and reads what happened in between, so that no fill is missed.",
            done="The live stream is cut.",
            what="close_sockets",
        ),
        Button(
            code="reset",
            icon="moon",
            label="Nightly reset",
            verb=f"Begin in {RESET_IN_S} s",
            happens=f"In {RESET_IN_S} seconds IBKR ends the session and answers nobody for {RESET_FOR_S} seconds.",
            copes="Orders wait, or expire if they would be too late; Halyard signs in when IBKR is back.",
            done=f"The reset begins in {RESET_IN_S} seconds.",
            body={"action": {"daily_reset": {"start_s": RESET_IN_S, "duration_s": RESET_FOR_S}}},
        ),
        Button(
            code="timeout",
            icon="hourglass",
            label="Time out the next order",
            verb="Time it out",
            happens="IBKR takes the next order and stays silent about it for ten seconds.",
            copes="Halyard calls the order unknown, finds it by its reference, and never sends it twice.",
            done="The next order will not be answered.",
            body={"match": _ORDERS, "phase": "after", "action": {"hang": True}},
        ),
        Button(
            code="stop_leg",
            icon="shield",
            label="Reject the stop leg",
            verb="Reject it",
            happens="The next order with a stop keeps its entry, and IBKR refuses the stop that protects it.",
            copes="Halyard does what the subscription says: the entry is canceled, the stop placed alone, or you are called.",
            done="The next stop will be refused.",
            body={
                "match": {**_ORDERS, "body_contains": '"STP"'},
                "action": {"failed_rows": ["STP"], "failed_text": "Order couldn't be submitted: the stop was refused."},
            },
        ),
        Button(
            code="stop_gone",
            icon="shield",
            label="Cancel the stop later",
            verb="Cancel it",
            happens="IBKR takes the next order with its stop, and the exchange cancels the stop a second later.",
            copes="Halyard sees it at once, and does what the subscription says about a stop that is missing.",
            done="The next stop will be canceled by the exchange.",
            body={"match": {**_ORDERS, "body_contains": '"STP"'}, "action": {"cancel_leg": {"s": 1}}},
        ),
        Button(
            code="too_many",
            icon="ban",
            label="Answer 429",
            verb=f"Refuse {TOO_MANY} requests",
            happens=f"The next {TOO_MANY} requests are answered 429, too many requests.",
            copes="Halyard falls silent for a few seconds, then goes on; what was refused was never taken.",
            done=f"The next {TOO_MANY} requests will be refused.",
            body={
                "times": TOO_MANY,
                "action": {"status": 429, "body": {"error": "Too Many Requests", "statusCode": 429}},
            },
        ),
        Button(
            code="partial",
            icon="half",
            label="Partial fill, then stall",
            verb="Stall it halfway",
            happens="Half of the next order is filled, and then nothing more comes.",
            copes="Halyard counts what is filled, shows the rest as working, and lets you cancel it.",
            done="The next order will be filled by half.",
            body={"match": _ORDERS, "action": {"partial_fill": 0.5}},
        ),
    )
}


class StressRefused(Refusal):
    """This cannot be done to this connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """A fault as the gateway has it: what it is, how far it is, how often it was met."""

    code: str
    label: str
    hits: int
    times: int | None
    waiting: bool
    lasts: bool
    begins_in_s: int
    left_s: int

    @property
    def words(self) -> str:
        """Its state in a few words."""
        met = f"met {self.hits} of {self.times}" if self.times else f"met {self.hits} times"
        left = f"{self.left_s} s" if self.left_s < 100 else f"{round(self.left_s / 60)} min"
        if self.waiting and self.lasts:
            return f"begins in {self.begins_in_s} s" if self.begins_in_s else f"under way, {left} left"
        if self.lasts:
            return "over"
        if self.waiting:
            return f"{met}, {left} left" if self.hits else f"armed, {left} left"
        return met if self.hits else "ran out, nobody met it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A button with the fault it armed last."""

    button: Button
    latest: Armed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Everything the panel shows."""

    rows: list[Row]
    # Faults that no button armed.
    strangers: list[Armed]
    waiting: int
    problem: str = ""


def offered(connection: Connection) -> bool:
    """Whether stress can be offered: on a simulated connection that is on, where we have the gateway in hand."""
    return bool(connection.environment == Environment.SIMULATED and connection.enabled and control_plane.is_there())


def press(*, connection: Connection, actor: User | None, code: str, now: datetime) -> Button:
    """Press a button: audited first, then sent to the gateway; never for a paper or live user."""
    _only_simulated(connection)
    button = BUTTONS.get(code)
    if button is None:
        raise StressRefused("There is no such button. Reload the page.", "unknown-button")
    audit.record(
        team=connection.team,
        actor=actor,
        action="stress.pressed",
        subject=f"{connection.username}: {button.label}",
        now=now,
    )
    _ask("POST", connection, button.what, button.request())
    return button


def clear(*, connection: Connection, actor: User | None, now: datetime) -> int:
    """Disarm everything that was armed for this connection's user; returns how many there were."""
    _only_simulated(connection)
    audit.record(
        team=connection.team,
        actor=actor,
        action="stress.cleared",
        subject=connection.username,
        now=now,
    )
    return int(_ask("DELETE", connection, "faults")["cleared"])


def panel(connection: Connection) -> Panel:
    """The buttons with the faults they armed; `problem` says why where the gateway cannot be asked."""
    try:
        faults = [_armed(row) for row in _ask("GET", connection, "faults")]
    except StressRefused as problem:
        return Panel(rows=_rows([]), strangers=[], waiting=0, problem=str(problem))
    strangers = [fault for fault in faults if fault.code not in BUTTONS]
    return Panel(rows=_rows(faults), strangers=strangers, waiting=sum(fault.waiting for fault in faults))


def _rows(faults: list[Armed]) -> list[Row]:
    # The gateway lists armed ones first, then what is past, the newest first.
    return [
        Row(button=button, latest=next((fault for fault in faults if fault.code == code), None))
        for code, button in BUTTONS.items()
    ]


def _armed(row: dict[str, Any]) -> Armed:
    button = BUTTONS.get(row["name"])
    return Armed(
        code=row["name"],
        label=button.label if button else row["name"].replace("_", " "),
        hits=row["hits"],
        times=row["times"],
        waiting=row["state"] == "armed",
        lasts=row["lasts"],
        begins_in_s=round(row["begins_in_s"]),
        left_s=round(row["left_s"]),
    )


def _ask(method: str, connection: Connection, what: str, body: dict[str, Any] | None = None) -> Any:
    try:
        return control_plane.ask(method, connection.username, what, body)
    except control_plane.ControlPlaneAway as problem:
        raise StressRefused(str(problem), "gateway-away") from problem


def _only_simulated(connection: Connection) -> None:
    """Refuse unless the database, not the row in hand, says that this is a simulated connection that is on."""
    row = Connection.objects.filter(pk=connection.pk).values_list("environment", "enabled").first()
    if row is None or row[0] != Environment.SIMULATED:
        raise StressRefused("Stress is for simulated connections only; this one trades at IBKR.", "not-simulated")
    if not row[1]:
        raise StressRefused("This connection is switched off. Switch it on first.", "switched-off")
    if not control_plane.is_there():
        raise StressRefused("This installation has no control of a simulated broker.", "no-simulator")
