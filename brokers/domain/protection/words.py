"""What is said about a stop that is missing: what happened, what Halyard did, what a person can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from brokers.domain.protection.scenes import Fault
from brokers.domain.protection.verdicts import Act, Step, Verdict
from brokers.domain.sentences import all_of, cut, ended, grouped

MOST = 400
_HAPPENED: Mapping[Fault, str] = {
    Fault.REFUSED: "IBKR refused {stop}.",
    Fault.HALF_ACCEPTED: "IBKR took the entry, and refused {stop} that came with it.",
    Fault.CANCELED: "IBKR, or somebody at IBKR, canceled {stop}.",
    Fault.LOST: "{Stop} is lost: IBKR has it neither among its orders nor among its executions.",
    Fault.NOT_SENT: "{Stop} was never sent.",
    Fault.ASKED: "{Stop} was canceled because Halyard was asked to.",
    Fault.IN_DOUBT: "Nobody knows yet whether IBKR has {stop}.",
    Fault.TOO_SMALL: "{Stop} works for fewer units than it is to protect.",
    Fault.TOO_LARGE: "{Stop} would close more than is held.",
    Fault.ALONE: "{Stop} works at IBKR, and the entry that it came with does not.",
}
_ALARMS: Mapping[str, str] = {
    "canceled-by-hand": "Halyard did nothing: whoever cancels a stop is taken at their word.",
    "alarm-chosen": "Halyard sent nothing, as the subscription's terms say.",
    "stop-not-shown": "Halyard has looked for it, and places no second one while IBKR may have the first.",
    "stop-not-taken": "Halyard placed it several times, and no stop stayed. It does not try again by itself.",
    "fill-not-shown": "IBKR lists the position, and neither the entry nor its fill: Halyard looks for it, and sends nothing before it is found.",
    "split-undecided": "It may have been split, or was while an order was on its way: Halyard sends nothing before that is plain.",
    "not-closed": "Halyard tried to close the position, and could not.",
    "entry-not-canceled": "Halyard asked IBKR to cancel the entry, and IBKR did not.",
}
_WAITS: Mapping[str, str] = {
    "being-closed": "The position is being closed already.",
    "planned-again": "The plan that it belongs to is being made anew.",
    "stop-in-doubt": "Halyard is looking for it, and places no second one meanwhile.",
    "just-canceled": "Halyard waits a moment for what else IBKR says.",
    "book-not-read": "Halyard waits for IBKR's list of positions.",
    "entry-without-stop": "The entry works on. As soon as any of it fills, Halyard places the stop.",
}
_NEXT: Mapping[str, str] = {
    "canceled-by-hand": "Place a stop at IBKR, or close the position.",
    "alarm-chosen": "Place a stop at IBKR, cancel the entry, or close the position.",
    "stop-not-shown": "Look in TWS or Client Portal, and say on its page whether IBKR has it; then the subscription's choice is followed.",
    "stop-not-taken": "Read IBKR's reason at the stop, place a stop in TWS, or close the position.",
    "fill-not-shown": "Place a stop or close the position in TWS, and say on the page of the entry whether IBKR has it.",
    "split-undecided": "Say on the page of the account whether it was split, cancel what was sent meanwhile, or close the position.",
    "not-closed": "Close it in TWS, or close it here again.",
    "entry-not-canceled": "Cancel the entry in TWS, or place a stop there.",
    "being-closed": "See the closing among the positions.",
    "planned-again": "See the signal: its decision is taken again.",
    "stop-in-doubt": "See the order: it says what was looked at, and what comes next.",
    "book-not-read": "If this lasts, look at the session of the connection.",
    "entry-without-stop": "Cancel the entry if you do not want to wait, or place a stop at IBKR.",
}
_USUALLY = "Nothing, if this is what you want; the terms of the subscription say what happens another time."


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose stop it is: the stop in words ("the stop of 10 AAPL at 95"), why it ended in IBKR's, the ticker, the number held."""

    stop: str
    why: str
    ticker: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The three sentences that every page and notice about a missing stop shows."""

    happened: str
    did: str
    can_do: str


def in_words(verdict: Verdict, subject: Subject) -> Story:
    """A verdict in words."""
    fault = verdict.fault or Fault.TOO_SMALL
    stop = subject.stop
    happened = _HAPPENED[fault].format(stop=stop, Stop=stop[:1].upper() + stop[1:])
    if subject.why:
        happened = f"{happened} {ended(subject.why)}"
    if verdict.steps:
        did = f"Halyard {all_of([*_deeds(verdict.steps, subject)])}."
    else:
        did = _ALARMS.get(verdict.code) or _WAITS.get(verdict.code, "Halyard looks on.")
    return Story(happened=cut(happened, MOST), did=cut(did, MOST), can_do=_NEXT.get(verdict.code, _USUALLY))


def _deeds(steps: Iterable[Step], subject: Subject) -> Iterable[str]:
    acts = {step.act: step for step in steps}
    if Act.CANCEL_ENTRY in acts:
        yield "asked IBKR to cancel the entry"
    if Act.PLACE_STOP in acts:
        yield f"placed a stop for {_units(acts[Act.PLACE_STOP].quantity, subject)} by itself"
    if Act.FLATTEN in acts:
        yield f"closes {_units(acts[Act.FLATTEN].quantity, subject)} at the market"
    if Act.RESIZE in acts:
        yield f"asked IBKR to make it {_units(acts[Act.RESIZE].quantity, subject)}"
    if Act.CANCEL_STOP in acts:
        yield "asked IBKR to cancel the stop, which had nothing to close"


def _units(quantity: Decimal, subject: Subject) -> str:
    return f"{grouped(quantity)} {subject.ticker}"
