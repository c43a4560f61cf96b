"""An advisor's groups as a person has them: the page, its form and a subscription's shares, on a phone and in the dark."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from accounts.models import Team, User
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Order
from brokers.tests import rows as broker
from strategies.domain.plan.plan import Terms
from strategies.setup import subscriptions
from strategies.tests import rows
from strategies.tests.browser.browsers import PHONE, Opener
from strategies.tests.browser.test_terms_in_a_browser import STICKING_OUT

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
MEMBERS = ("U1234567", "U2345678", "U3456789")


def advised(team: Team) -> AccountGroup:
    now = timezone.now()
    own = broker.account(team, account_id="F1234567", kind="advisor", book_as_of=now)
    for number in MEMBERS:
        broker.account(team, of=own.connection, account_id=number, title="A client", equity=Decimal(50_000))
    Advisor.objects.create(connection=own.connection, read_at=now)
    return AccountGroup.objects.create(
        team=team,
        connection=own.connection,
        account=own,
        name="Growth",
        method="Ratios",
        members=[{"account": number, "amount": "2"} for number in MEMBERS],
        read_at=now,
    )


def entered(group: AccountGroup) -> Order:
    """An entry of the group that has filled, with the stop and the target of its first account."""
    client = BrokerageAccount.objects.get(account_id=MEMBERS[0])
    way_out = {"side": "sell", "quantity": Decimal(2), "status": "accepted", "broker_order_id": "7"}
    stop = broker.order(client, role="stop_loss", type="stop", stop_price=Decimal(95), **way_out)
    target = broker.order(client, role="take_profit", type="limit", limit_price=Decimal(120), **way_out)
    shape = {"side": "sell", "time_in_force": "gtc", "outside_rth": False, "distance": None, "distance_in": ""}
    none = dict.fromkeys(("limit_price", "stop_price", "trail_amount", "trail_percent"))
    legs = [
        {**shape, **none, "role": "stop_loss", "type": "stop", "stop_price": "95"},
        {**shape, **none, "role": "take_profit", "type": "limit", "limit_price": "120"},
    ]
    given = {"placed": {MEMBERS[0]: "2"}, "units": "2"}
    entry = broker.order(
        group.account,
        fa_group=group.name,
        fa_method=group.method,
        quantity=Decimal(2),
        filled_quantity=Decimal(2),
        status="filled",
        legs_by_account={"legs": legs, **given, "untold": False},
    )
    Order.objects.filter(pk__in=[stop.pk, target.pk]).update(group_entry=entry)
    return entry


@pytest.mark.parametrize("how", [{}, {**PHONE, "color_scheme": "dark"}], ids=["desk", "phone in the dark"])
def test_groups_and_shares_fit_the_screen(open_page: Opener, alice: User, team: Team, how: dict[str, object]) -> None:
    group = advised(team)
    base = f"/teams/{team.code}/connections/{group.connection.code}/groups/"
    page = open_page(alice, base, **how)
    expect(page.get_by_role("heading", name="Groups of accounts")).to_be_visible()
    assert page.evaluate(STICKING_OUT) == ""
    page.get_by_role("link", name="Change").click()
    expect(page.get_by_label("Amount of U1234567")).to_have_value("2")
    assert page.evaluate(STICKING_OUT) == ""
    strategy, own = rows.strategy(team, timezone.now()), BrokerageAccount.objects.get(kind="advisor")
    made = subscriptions.subscribe(
        team=team, strategy=strategy, account=own, group=group, terms=Terms(), actor=None, now=timezone.now()
    )
    page = open_page(alice, f"/teams/{team.code}/subscriptions/{made.code}/", **how)
    page.get_by_role("textbox", name="An order of").fill("9")
    page.get_by_role("button", name="Divide it").click()
    expect(page.locator("section[aria-labelledby=division] dl")).to_contain_text("3")
    assert page.evaluate(STICKING_OUT) == ""
    page = open_page(alice, f"/teams/{team.code}/orders/{entered(group).code}/", **how)
    expect(page.get_by_text("Each account has a stop at 95 and a target at 120, for what it got.")).to_be_visible()
    expect(page.locator("#relatives tr")).to_have_count(2)
    assert page.evaluate(STICKING_OUT) == ""
