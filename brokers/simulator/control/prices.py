"""The control plane's prices: posted, replayed from a file, or pushed by the signals that trade on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from brokers.simulator.catalogue import catalogue
from brokers.simulator.catalogue.catalogue import Instrument
from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.market import feeds
from brokers.simulator.market.market import Quote
from brokers.simulator.wire import Answer, error

LIST = "feeds.json"
_MOST_BYTES = 20_000_000
_LONGEST_S = 10 * 366 * 86_400.0
_UNKNOWN = error("No contract has this conid or symbol.", 404)


def _instrument(gateway: Gateway, body: dict[str, Any]) -> Instrument | None:
    """The contract a request is about, by number or by symbol."""
    if body.get("conid"):
        conid = catalogue.conid(body["conid"])
        return None if conid is None else catalogue.find(conid)
    return catalogue.resolve(str(body.get("symbol") or ""), gateway.today())


def _prices(body: dict[str, Any], *names: str) -> dict[str, Decimal]:
    try:
        return {name: Decimal(str(body[name])) for name in names if body.get(name) is not None}
    except InvalidOperation:
        raise ValueError("Prices are numbers.") from None


# -- posted ----------------------------------------------------------------------------------------------------------


def _post_quote(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Pin a contract's price; of bid, ask and last any may be missing and follow from the rest."""
    instrument = _instrument(gateway, body)
    if instrument is None:
        return _UNKNOWN
    now = gateway.clock()
    prices = _prices(body, "bid", "ask", "last")
    quote = feeds.completed(prices, instrument.conid, now)
    return _pin(gateway, quote, now + _seconds(body.get("ttl_s", gateway.behaviour.posted_quote_ttl_s)))


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 < seconds <= _LONGEST_S:
        raise ValueError("ttl_s is a number of seconds, more than zero and at most ten years.")
    return seconds


def _pin(gateway: Gateway, quote: Quote, until: float) -> Answer:
    gateway.market.post(quote, until)
    gateway.store.save([(quote, until)])
    gateway.tick()
    return Answer({"conid": quote.conid, "bid": str(quote.bid), "ask": str(quote.ask), "last": str(quote.last)})


def _clear_quotes(gateway: Gateway, body: dict[str, Any]) -> Answer:
    for conid in list(gateway.market.posted):
        _unpin(gateway, conid)
    return Answer({"cleared": True})


def _unpin(gateway: Gateway, conid: int) -> None:
    if (posted := gateway.market.posted.pop(conid, None)) is not None:
        gateway.store.save([(posted[0], gateway.clock())])


# -- pushed by signals -----------------------------------------------------------------------------------------------


def _push_signal(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Trade a contract at a signal's price, give or take the slippage, unless its prices come from elsewhere.

    `source`: "signal" asks for that where the market makes its own prices; a source chosen for the contract holds.
    """
    instrument = _instrument(gateway, body)
    if instrument is None:
        return _UNKNOWN
    behaviour, now = gateway.behaviour, gateway.clock()
    prices = _prices(body, "price", "slippage_bps")
    slippage = prices.get("slippage_bps", Decimal(str(behaviour.signal_slippage_bps)))
    quote = feeds.signalled(instrument, prices.get("price", Decimal(0)), slippage, now)
    asked = body.get("source", behaviour.prices)
    if asked not in ("generated", "signal"):
        raise ValueError("source is generated or signal.")
    source = gateway.market.feeds.sources.get(instrument.conid, asked)
    if source != "signal":
        return Answer({"conid": instrument.conid, "used": False, "source": source})
    pinned = _pin(gateway, quote, now + _seconds(behaviour.signal_ttl_s)).body
    return Answer(pinned | {"used": True, "source": source})


def _release_signal(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Let contracts trade at the market's own prices again, after they traded at those of signals."""
    conids = body.get("conids")
    if not isinstance(conids, list):
        raise ValueError("conids is a list of numbers.")
    own = [number for each in conids if (number := catalogue.conid(each)) is not None]
    kept = [each for each in own if gateway.market.feeds.sources.get(each, gateway.behaviour.prices) == "signal"]
    released = [each for each in own if each in gateway.market.posted and each not in kept]
    for each in released:
        _unpin(gateway, each)
    gateway.tick()
    return Answer({"released": released})


def _market(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """How the market of this gateway differs from a real one: its hours, and where its prices come from."""
    return Answer({"always_open": gateway.behaviour.market_always_open, "prices": gateway.behaviour.prices})


# -- borrowed --------------------------------------------------------------------------------------------------------


def _post_shortable(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Say how many shares of a contract can be borrowed from now on; null: as many as anybody wants."""
    instrument = _instrument(gateway, body)
    if instrument is None:
        return _UNKNOWN
    shares = _prices(body, "shares").get("shares")
    if shares is None:
        gateway.engine.shortable.pop(instrument.conid, None)
    elif not 0 <= shares < 10**12:
        raise ValueError("shares is a number, zero or more.")
    else:
        gateway.engine.shortable[instrument.conid] = shares
    return Answer({"conid": instrument.conid, "shares": None if shares is None else f"{shares:f}"})


# -- chosen ----------------------------------------------------------------------------------------------------------


def _choose_feed(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Let a contract's prices come from somewhere else from now on."""
    instrument = _instrument(gateway, body)
    if instrument is None:
        return _UNKNOWN
    source = body.get("source")
    if source not in feeds.SOURCES:
        raise ValueError(f"source is one of {', '.join(feeds.SOURCES)}.")
    recording = _recording(gateway, body, instrument.conid) if source == "replay" else None
    if source != "signal":
        # The last signal's price outlives a restart, which chooses the same source again.
        _unpin(gateway, instrument.conid)
    gateway.market.feeds.choose(instrument.conid, source, recording)
    gateway.tick()
    return Answer(gateway.market.feeds.described(instrument.conid))


def _recording(gateway: Gateway, body: dict[str, Any], conid: int) -> feeds.Replay:
    name = str(body.get("file") or "")
    text = str(body["csv"]) if body.get("csv") else _read(gateway.feeds_folder, name)
    return feeds.replay(
        text, conid, now=gateway.clock(), speed=body.get("speed", "clock"), loop=body.get("loop") is True, name=name
    )


def _read(folder: Path | None, name: str) -> str:
    """A file of the folder that was named at the start; no other is ever read."""
    if folder is None:
        raise ValueError("No folder of recordings was named at the start (SIM_FEEDS). Send the rows as csv instead.")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ValueError(f"There is no file {name!r} among the recordings.")
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError(f"A recording has at most {_MOST_BYTES // 1_000_000} MB. Cut it into several.")
    return path.read_text(encoding="utf-8")


def _clear_feeds(gateway: Gateway, body: dict[str, Any]) -> Answer:
    """Back to the default, for one contract when it is named, else for all."""
    named = bool(body.get("conid") or body.get("symbol"))
    instrument = _instrument(gateway, body) if named else None
    if named and instrument is None:
        return _UNKNOWN
    gateway.market.feeds.clear(None if instrument is None else instrument.conid)
    return Answer({"cleared": True})


def _list_feeds(gateway: Gateway, body: dict[str, Any]) -> Answer:
    chosen = [gateway.market.feeds.described(conid) for conid in sorted(gateway.market.feeds.sources)]
    return Answer({"default": gateway.behaviour.prices, "contracts": chosen})


def configure(gateway: Gateway, folder: Path) -> None:
    """Read what the folder's list says about contracts; ValueError says what is wrong with it."""
    gateway.feeds_folder = folder
    listed = folder / LIST
    rows = json.loads(listed.read_text(encoding="utf-8")) if listed.is_file() else []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{LIST} is a list of objects with symbol or conid, and source.")
    for row in rows:
        answer = _choose_feed(gateway, row)
        if answer.status != 200:
            raise ValueError(f"{LIST}: {row.get('symbol') or row.get('conid')} is not in the catalogue.")


HANDLERS: dict[tuple[str, str], Callable[[Gateway, dict[str, Any]], Answer]] = {
    ("POST", "quote"): _post_quote,
    ("POST", "shortable"): _post_shortable,
    ("DELETE", "quote"): _clear_quotes,
    ("POST", "signal"): _push_signal,
    ("DELETE", "signal"): _release_signal,
    ("GET", "market"): _market,
    ("POST", "feed"): _choose_feed,
    ("GET", "feed"): _list_feeds,
    ("DELETE", "feed"): _clear_feeds,
}
