"""IBKR's preview on the page of a plan: who may ask, what is asked about, and what is shown beside the estimate."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Role, Team, User
from brokers.connections import sessions
from brokers.domain.sessions import AuthStatus
from brokers.domain.whatif.figures import Commission, Figure, OrderPreview
from brokers.models import BrokerageAccount, Order, WhatIf
from brokers.tests import lab
from brokers.whatif import asking
from strategies.models import Decision
from strategies.tests.control import proposing

pytestmark = pytest.mark.django_db
GOOD = AuthStatus(authenticated=True, connected=True, competing=False, established=True)


def signed_in(account: BrokerageAccount) -> BrokerageAccount:
    sessions.kept(account.connection, GOOD, timezone.now())
    lab.watched_without_gap(account.connection)
    return account


@pytest.fixture
def decision(team: Team) -> Decision:
    """Ten AAPL with a take profit and a stop, which wait for an approver, over a session that is there."""
    now = timezone.now()
    account = signed_in(proposing.account(team, now))
    made = proposing.decided(proposing.asking(team, now, of=account), now)
    assert made.status == "proposed"
    return made


def page(client: Client, user: User, decision: Decision) -> str:
    client.force_login(user)
    answer = client.get(f"/teams/{decision.team.code}/decisions/{decision.code}/")
    assert answer.status_code == 200
    return " ".join(answer.text.split())


def press(client: Client, user: User, decision: Decision) -> Any:
    client.force_login(user)
    address = f"/teams/{decision.team.code}/decisions/{decision.code}/what-if/"
    return client.post(address, follow=True)


def said(answer: Any) -> str:
    return " ".join(str(each) for each in answer.context["messages"])


def test_the_button_asks_about_the_entry_and_not_about_its_legs(
    client: Client, alice: User, decision: Decision
) -> None:
    assert "Ask IBKR about" in page(client, alice, decision)
    answer = press(client, alice, decision)
    assert said(answer) == "IBKR is asked for its preview. Nothing is sent."
    assert "being asked, since" in answer.text
    row = WhatIf.objects.get()
    assert (row.key, row.position, row.asked_by) == (decision.code, 0, alice)
    assert (row.request["role"], row.request["quantity"], row.request["side"]) == ("entry", "10", "buy")
    assert said(press(client, alice, decision)) == "IBKR is being asked already."
    assert WhatIf.objects.count() == 1
    assert not Order.objects.exists()


def test_the_answer_stands_beside_the_estimate(client: Client, alice: User, bob: User, decision: Decision) -> None:
    press(client, alice, decision)
    preview = OrderPreview(
        initial=Figure(before=Decimal(1000), change=Decimal(500), after=Decimal(1500)),
        maintenance=Figure(before=Decimal(900), change=Decimal(450), after=Decimal(1350)),
        commission=Commission(least=Decimal("0.35"), most=Decimal("1.05"), currency="USD"),
        warning="<b>No market data</b>",
    )
    asking.answer(WhatIf.objects.get(), preview, timezone.now())
    text = page(client, bob, decision)
    for words in (
        "Estimated fee",
        "IBKR would take it.",
        "0.35 to 1.05 USD",
        "1,000.00 USD now, <strong>1,500.00 USD</strong> after",
        "+450.00 USD",
        "&lt;b&gt;No market data&lt;/b&gt;",
        f"by {alice.email}",
    ):
        assert words in text
    assert "Ask IBKR about" not in text


def test_a_refusal_and_a_silence_are_sentences(client: Client, alice: User, decision: Decision) -> None:
    press(client, alice, decision)
    asking.answer(WhatIf.objects.get(), OrderPreview(refusal="No trading permissions."), timezone.now())
    assert "IBKR would refuse it: No trading permissions." in page(client, alice, decision)
    press(client, alice, decision)
    row = WhatIf.objects.get(status="asked")
    asking.no_answer(row, "IBKR did not answer within 15 seconds", "preview-unanswered", timezone.now())
    text = page(client, alice, decision)
    assert "IBKR did not answer within 15 seconds. " in text
    assert "preview-unanswered" in text
    assert "No trading permissions." not in text


def test_figures_that_leave_too_little_are_not_called_fine(client: Client, alice: User, decision: Decision) -> None:
    press(client, alice, decision)
    short = OrderPreview(initial=Figure(after=Decimal(50000)), equity=Figure(after=Decimal(2499)))
    asking.answer(WhatIf.objects.get(), short, timezone.now())
    text = page(client, alice, decision)
    assert "the account would be worth less than its margin" in text
    assert "IBKR would take it." not in text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER])
def test_only_who_may_trade_asks(client: Client, team: Team, bob: User, decision: Decision, role: Role) -> None:
    Membership.objects.filter(team=team, user=bob).update(role=role)
    assert "Ask IBKR about" not in page(client, bob, decision)
    assert press(client, bob, decision).status_code == 403
    assert not WhatIf.objects.exists()


def test_a_stranger_finds_nothing(client: Client, charlie: User, decision: Decision) -> None:
    assert press(client, charlie, decision).status_code == 404


def test_a_connection_without_a_session_refuses_in_a_sentence(client: Client, alice: User, decision: Decision) -> None:
    connection = decision.subscription.account.connection
    sessions.doubted(connection.pk)
    assert "Ask again in a moment. (no-session)" in said(press(client, alice, decision))
    type(connection).objects.update(enabled=False)
    assert "(connection-off)" in said(press(client, alice, decision))
    assert not WhatIf.objects.exists()


def test_a_plan_that_was_sent_is_not_asked_about(client: Client, alice: User, team: Team) -> None:
    now = timezone.now()
    account = signed_in(proposing.account(team, now))
    sent = proposing.decided(proposing.asking(team, now, of=account, auto_submit=True), now)
    assert sent.status == "accepted"
    assert "Ask IBKR about" not in page(client, alice, sent)
    assert "(plan-not-open)" in said(press(client, alice, sent))
    small = proposing.asking(team, now, of=proposing.account(team, now), name="Small", max_quantity=Decimal(1))
    rejected = proposing.decided(small, now)
    assert rejected.status == "rejected"
    assert "(no-plan)" in said(press(client, alice, rejected))
    assert not WhatIf.objects.exists()
