"""A login of IBKR Lite is recognised when it is connected, in every environment, and says what to do."""

from __future__ import annotations

import asyncio

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Team, User
from brokers.connections import connections, trials
from brokers.domain.brokerage import LoginRefused
from brokers.domain.sessions import Environment
from brokers.ibkr.answers import check_environment
from brokers.models import Connection
from brokers.simulator.testing.gateway import RunningGateway
from brokers.tests import lab, neighbours, rows
from brokers.tests.sessions.watched import until_shown

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("environment", [Environment.PAPER, Environment.SIMULATED])
def test_a_lite_login_is_refused_until_its_plan_is_pro(
    team: Team, gateway: RunningGateway, client: Client, alice: User, environment: Environment
) -> None:
    name = f"LITE{environment}".upper()
    if environment is Environment.PAPER:
        made = neighbours.paper(team, gateway, name)
    else:
        made = rows.connection(team)
        name = made.username
    gateway.seed(name, type="lite")
    gateway.sign_in(name)

    def seen() -> Connection:
        return Connection.objects.get(pk=made.pk)

    def steps() -> dict[str, str]:
        report = trials.last(seen())
        return {step.name: step.code for step in report.steps} if report else {}

    async def story() -> None:
        async with lab.watching():
            await until_shown(made, "refused", "lite-account")
            await asyncio.to_thread(lab.asked, lambda: _verify(made))
            await lab.until(lambda: steps().get("accounts") == "lite-account", "the test says so as well")
            await asyncio.to_thread(lab.asked, lambda: _look(client, alice, seen()))
            # IBKR has made it Pro.
            await asyncio.to_thread(lambda: gateway.seed(name, type="margin"))
            await asyncio.to_thread(gateway.sign_in, name)
            await asyncio.to_thread(lab.asked, lambda: _verify(made))
            await until_shown(made, "active")

    asyncio.run(story())


def _verify(made: Connection) -> None:
    connections.verify(connection=Connection.objects.get(pk=made.pk), actor=None, now=timezone.now())


def _look(client: Client, alice: User, shown: Connection) -> None:
    assert "no orders for it from programs" in shown.session_reason
    assert "IBKR Pro" in shown.session_action
    assert shown.session_events.latest("pk").evidence["help_page"] == "lite"
    client.force_login(alice)
    page = client.get(f"/teams/{shown.team.code}/connections/{shown.code}/").text
    assert "Help: IBKR Lite" in page
    assert "lite-account" in page


@pytest.mark.parametrize("environment", list(Environment))
def test_an_accounts_answer_of_lite_is_refused_everywhere(environment: Environment) -> None:
    body = {"accounts": ["U1"], "isPaper": environment is Environment.PAPER, "allowFeatures": {"liteUser": True}}
    with pytest.raises(LoginRefused) as refused:
        check_environment(body, environment)
    assert (refused.value.code, refused.value.help_page) == ("lite-account", "lite")
    body["allowFeatures"] = {"liteUser": False, "allowLiteUnderPro": True}
    check_environment(body, environment)
