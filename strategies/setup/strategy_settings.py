"""A strategy's settings: what may be set, what contradicts itself, and the change, with its trace in the audit."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from strategies.domain.message import lists
from strategies.domain.message.refusals import Refused
from strategies.domain.message.symbols import WORDS, Kind
from strategies.models import Strategy
from strategies.setup.strategies import StrategyRefused
from strategies.webhook.senders import MOST_ADDRESSES, TRADINGVIEW_ADDRESSES, is_listed

MOST_TICKERS = 100
DAY = 86_400


class Unusable(ValueError):
    """The message is a sentence for people, `code` a stable word."""

    def __init__(self, sentence: str, code: str = "unusable") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings:
    """All that a strategy's owner may set."""

    name: str
    description: str = ""
    asset_class: Kind = Kind.STOCK
    allowed_tickers: tuple[str, ...] = ()
    tradingview_only: bool = False
    allowed_addresses: tuple[str, ...] = ()
    signature_required: bool = False
    entry_stale_seconds: int = 60
    exit_stale_seconds: int = 600
    repeat_window_seconds: int = 30
    per_minute: int = 60
    per_hour: int = 500
    keep_days: int | None = None

    @classmethod
    def of(cls, strategy: Strategy) -> StrategySettings:
        values = {field.name: getattr(strategy, field.name) for field in fields(cls)}
        return cls(
            **values
            | {
                "asset_class": Kind(strategy.asset_class),
                "allowed_tickers": tuple(strategy.allowed_tickers),
                "allowed_addresses": tuple(strategy.allowed_addresses),
            }
        )

    def contradictions(self) -> list[tuple[str, str]]:
        """Settings under which nothing could work: the field, and what to change."""
        contradictions = []
        if self.tradingview_only and self.signature_required:
            contradictions.append(
                ("signature_required", "TradingView cannot sign its messages, so nothing could come in. Choose one.")
            )
        if (
            self.tradingview_only
            and self.allowed_addresses
            and not any(is_listed(address, self.allowed_addresses) for address in TRADINGVIEW_ADDRESSES)
        ):
            sentence = (
                "With TradingView only, none of these addresses could send: none is TradingView's. Empty the list, or "
                "let others than TradingView send."
            )
            contradictions.append(("allowed_addresses", sentence))
        if self.per_hour < self.per_minute:
            sentence = f"The limit of an hour is below that of a minute, {self.per_minute}. Write at least as many."
            contradictions.append(("per_hour", sentence))
        if self.exit_stale_seconds < self.entry_stale_seconds:
            sentence = (
                f"An exit would be too old before an entry is, at {self.entry_stale_seconds} seconds, and a position "
                "would be kept that should be closed. Give exits at least as long."
            )
            contradictions.append(("exit_stale_seconds", sentence))
        return contradictions


def read_addresses(text: str) -> tuple[str, ...]:
    """Addresses and networks, one a line or separated by commas and spaces; raises Unusable with a sentence."""
    words = dict.fromkeys(_address(word) for word in text.replace(",", " ").split())
    if len(words) > MOST_ADDRESSES:
        raise Unusable(
            f"These are {len(words)} addresses, and {MOST_ADDRESSES} are the most. Write networks, such as 192.0.2.0/24, where many belong together."
        )
    return tuple(words)


def _address(word: str) -> str:
    quoted = word[:50]
    try:
        network = ipaddress.ip_network(word, strict=False)
    except ValueError:
        raise Unusable(
            f"{quoted} is no address. Write an IPv4 or IPv6 address, or a network such as 192.0.2.0/24."
        ) from None
    if network.prefixlen == 0:
        raise Unusable(f"{quoted} is everybody. Leave the list empty for that.")
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise Unusable(f"{quoted} is an IPv4 address in the clothes of IPv6. Write it as IPv4.")
    if network.prefixlen == network.max_prefixlen:
        return str(network.network_address)
    if str(ipaddress.ip_interface(word).ip) != str(network.network_address):
        raise Unusable(f"{quoted} is one address within a network. Write {network}, or the address alone.")
    return str(network)


def read_tickers(text: str, kind: Kind, now: datetime) -> tuple[str, ...]:
    """Tickers that a strategy of this kind could be sent; raises Unusable with a sentence."""
    try:
        tickers = dict.fromkeys(lists.read(word, kind, now) for word in lists.words(text))
    except Refused as refused:
        raise Unusable(refused.message, refused.code) from refused
    if len(tickers) > MOST_TICKERS:
        raise Unusable(
            f"These are {len(tickers)} tickers, and {MOST_TICKERS} are the most. Leave the list empty for any."
        )
    return tuple(tickers)


@transaction.atomic
def change_settings(*, strategy: Strategy, values: StrategySettings, actor: User | None, now: datetime) -> list[str]:
    """Set what differs, and write down what it was before; returns the names of what has changed."""
    locked = Strategy.objects.select_for_update().select_related("team").get(pk=strategy.pk)
    before, after = _plain(StrategySettings.of(locked)), _plain(values)
    changed = [name for name in after if after[name] != before[name]]
    if not changed:
        return []
    if "asset_class" in changed and locked.signals.exists():
        word = WORDS[Kind(locked.asset_class)][1]
        raise StrategyRefused(f"Its signals were read as {word}, so it stays a strategy for {word}. Make another one.")
    for name in changed:
        setattr(locked, name, after[name])
    try:
        with transaction.atomic():
            locked.save(update_fields=changed)
    except IntegrityError as error:
        raise StrategyRefused(f"This team already has a strategy called {values.name}. Choose another name.") from error
    audit.record(
        team=locked.team,
        actor=actor,
        action="strategy.changed",
        subject=str(locked.code),
        before={name: before[name] for name in changed},
        after={name: after[name] for name in changed},
        now=now,
    )
    return changed


def _plain(values: StrategySettings) -> dict[str, Any]:
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(values).items()}
    return plain | {"asset_class": str(values.asset_class)}
