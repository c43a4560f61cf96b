"""Two teams beside each other: each with a gateway of its own, a process on loopback, connected as a paper user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.utils import timezone

from accounts import teams
from accounts.models import Team, User
from brokers.connections import connections
from brokers.domain.sessions import Environment
from brokers.models import Connection, Order
from brokers.simulator.testing.gateway import RunningGateway, running_gateway
from brokers.tests import lab


@dataclass
class Neighbours:
    """A good team, and one whose gateway means harm."""

    good: lab.Lab
    hostile: lab.Lab


def paper(team: Team, gateway: RunningGateway, username: str) -> Connection:
    """A paper connection to this gateway: paced and cut off as IBKR's own are."""
    return connections.connect(
        team=team,
        actor=None,
        name=username.title(),
        username=username,
        environment=Environment.PAPER,
        base_url=gateway.base_url(username),
        now=timezone.now(),
    )


@contextmanager
def neighbours(good_team: Team, preset: str = "fast") -> Iterator[Neighbours]:
    """Both teams signed in at their gateways; the second one is Mallory's."""
    mallory = User.objects.create_user("mallory@example.com", "mallory's password")
    hostile_team = teams.found_team(owner=mallory, name="Mallory's team", now=timezone.now())
    with running_gateway(preset) as good, running_gateway(preset) as hostile:
        yield Neighbours(
            good=lab.make(good_team, good, paper(good_team, good, "GOOD1")),
            hostile=lab.make(hostile_team, hostile, paper(hostile_team, hostile, "MALLORY1")),
        )


def status(order: Order) -> str:
    """What the order's row says now."""
    return str(Order.objects.values_list("status", flat=True).get(pk=order.pk))
