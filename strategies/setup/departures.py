"""What somebody who departed knew of a team, and its rotation in one go."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from django.db import transaction
from django.db.models import F, OuterRef, QuerySet
from django.urls import reverse

from accounts import departures
from accounts.feed.needs import Facts, Kind, Need, Urgency, with_facts
from accounts.models import Departure, Team, User
from brokers.connections import proxies
from brokers.models import Connection
from strategies.models import Strategy, WebhookEndpoint
from strategies.setup.strategies import disable_webhook, rotate_webhook, webhook_url
from strategies.webhook.passwords import signing_keys

# Live URLs of one strategy at the same time: the new one, and the one that senders move away from.
MOST_LIVE = 2
MOST = 5


class DepartureSettled(ValueError):
    """An owner has dealt with this departure already; the message is a sentence for people."""

    code = "departure-settled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the person could see or could have kept."""

    # Strategies with a URL that takes signals, each with its live URLs, the oldest first.
    strategies: list[tuple[Strategy, list[WebhookEndpoint]]]
    # Connections that send their gateway's proxy a header with a secret, with the header's name.
    headers: list[tuple[Connection, str]]
    # Connections that show a client certificate, whose key only its owner can change.
    certificates: list[Connection]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSecret:
    """A new value, shown once: of what, which kind, and the value."""

    name: str
    kind: str
    value: str


def known_by(departure: Departure) -> Known:
    """What there is to rotate: made before the person departed, and still in use."""
    team = departure.team
    endpoints = WebhookEndpoint.objects.filter(team=team, enabled=True, created_at__lte=departure.at)
    live: dict[int, list[WebhookEndpoint]] = {}
    for endpoint in endpoints.order_by("pk"):
        live.setdefault(endpoint.strategy_id, []).append(endpoint)
    strategies = [(row, live[row.pk]) for row in team.strategies.filter(pk__in=live).order_by("name")]
    headers, certificates = [], []
    for connection in team.connections.order_by("name", "pk"):
        shown = proxies.shown(connection)
        headers += [(connection, shown.header)] if shown.header else []
        certificates += [connection] if shown.certificate else []
    return Known(strategies=strategies, headers=headers, certificates=certificates)


@transaction.atomic
def rotate(
    *,
    departure: Departure,
    strategies: Iterable[Strategy],
    connections: Iterable[Connection],
    disable_old: bool,
    actor: User | None,
    now: datetime,
) -> list[WebhookEndpoint]:
    """Rotate what was chosen, all of it or nothing, and settle the departure. The new webhooks are returned.

    A new webhook URL stands beside the present one, as with every rotation, unless `disable_old` ends that at once.
    """
    strategies, connections = list(strategies), list(connections)
    names = [*(strategy.name for strategy in strategies), *(connection.name for connection in connections)]
    if not departures.settle(departure=departure, rotated=names, actor=actor, now=now):
        raise DepartureSettled(
            "Somebody has dealt with this already. Rotate a webhook URL on the page of its strategy if it is still needed."
        )
    for connection in connections:
        header, secret = proxies.shown(connection).header, secrets.token_urlsafe(32)
        proxies.show_header(connection=connection, header=header, secret=secret, actor=actor, now=now)
    return [_new_webhook(strategy, disable_old, actor, now) for strategy in strategies]


def _new_webhook(strategy: Strategy, disable_old: bool, actor: User | None, now: datetime) -> WebhookEndpoint:
    live = list(strategy.endpoints.select_for_update().filter(enabled=True).order_by("pk"))
    # Two are live in the middle of a rotation: the older one makes room.
    for old in live if disable_old else live[: 1 - MOST_LIVE]:
        disable_webhook(endpoint=old, actor=actor, now=now)
    return rotate_webhook(strategy=strategy, actor=actor, now=now)


def new_secrets(endpoints: Iterable[WebhookEndpoint], connections: Iterable[Connection]) -> list[NewSecret]:
    """The new values of what was rotated."""
    made = []
    for endpoint in endpoints:
        name = endpoint.strategy.name
        made.append(NewSecret(name=name, kind="Webhook URL", value=webhook_url(endpoint)))
        made.append(NewSecret(name=name, kind="Signing key", value=signing_keys(endpoint.code)[0]))
    for connection in connections:
        kept = connection.secrets.open()
        made.append(NewSecret(name=connection.name, kind=kept["proxy_header"], value=kept["proxy_secret"]))
    return made


def _old_urls(team: Team, now: datetime) -> QuerySet[WebhookEndpoint]:
    """URLs that still take signals although somebody who departed knows them and a newer one stands beside them."""
    settled = Departure.objects.filter(team=team, settled_at__isnull=False).order_by("-at")
    live = WebhookEndpoint.objects.filter(team=team, enabled=True)
    newest = live.filter(strategy=OuterRef("strategy")).order_by("-pk")
    rows = live.annotate(departed_at=settled.values("at")[:1], newest_at=newest.values("created_at")[:1])
    old = rows.filter(created_at__lte=F("departed_at"), newest_at__gt=F("departed_at")).order_by("pk")
    return with_facts(old, code=F("code"), name=F("strategy__name"), strategy=F("strategy__code"))[:MOST]


def _lines(team: Team, now: datetime, facts: list[Facts]) -> Iterator[Need]:
    """Old webhook URLs that somebody who departed can still send to."""
    for row in sorted(facts, key=itemgetter("pk")):
        yield Need(
            key=f"old-url-{row['code']}",
            urgency=Urgency.ANSWER,
            symbol="link",
            title=f"The old webhook URL of {row['name']} is still live",
            text="Somebody who departed knows it. Move your senders to the new one, then disable it.",
            href=reverse("strategy", args=[team.code, row["strategy"]]),
            action="Disable it",
        )


NEEDS = [Kind(name="old URLs", rows=_old_urls, lines=_lines)]
