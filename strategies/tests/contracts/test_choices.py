"""A symbol that two companies share: refused, chosen by a person, remembered, taken back, and asked for anew."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import AuditEntry, Team, User
from brokers.book import choices, contracts
from brokers.domain.contracts.candidates import AmbiguousSymbol, Candidate
from brokers.models import BrokerageAccount, ContractChoice, ContractLookup, Order
from brokers.tests import lab
from brokers.tests import rows as broker
from strategies.deciding import settle
from strategies.models import Decision, Strategy
from strategies.tests import rows
from strategies.tests.lookups import reading

pytestmark = pytest.mark.django_db(transaction=True)
RIVERS, HARBOR = 890_000_000, 890_000_001


@pytest.fixture
def signed_in(client: Client, alice: User) -> Client:
    client.force_login(alice)
    return client


def decided(strategy: Strategy, action: str = "buy") -> Decision:
    """What becomes of a signal in the shared symbol, once IBKR has answered what it waits for."""
    rows.signal(strategy, timezone.now(), reading=reading(action, ticker="TWIN"))
    for _ in range(3):
        BrokerageAccount.objects.update(book_as_of=timezone.now())
        settle.settle_waiting(timezone.now())
        lab.work()
    return Decision.objects.latest("pk")


def held(bench: lab.Lab, conid: int) -> None:
    """The order has filled, and the book shows what was bought."""
    order = Order.objects.get()
    Order.objects.update(status="filled", filled_quantity=order.quantity, filled_at=timezone.now())
    broker.position(bench.account, conid=conid, ticker="TWIN", quantity=order.quantity)


def post(client: Client, team: Team, **sent: Any) -> str:
    values = {"ticker": "TWIN", "asset_class": "stock", "simulated": "yes", **sent}
    return client.post(f"/teams/{team.code}/symbols/", values, follow=True).text


def test_a_shared_symbol_is_refused_until_somebody_chooses_and_the_next_signal_uses_the_choice(
    bench: lab.Lab, strategy: Strategy, team: Team, signed_in: Client
) -> None:
    refused = decided(strategy)
    assert (refused.status, refused.rule, refused.reason_code) == ("rejected", "B01", "ambiguous-symbol")
    assert "TWIN HARBOR FOODS INC (NASDAQ, USD) and TWIN RIVERS ENERGY INC (NYSE, USD)" in refused.reason
    assert bench.posts() == []
    # The refusal leads to the page, and so does the dashboard.
    link = f"/teams/{team.code}/symbols/"
    assert link in signed_in.get(f"/teams/{team.code}/decisions/{refused.code}/").text
    assert "TWIN may mean several contracts" in signed_in.get(f"/teams/{team.code}/").text
    page = signed_in.get(link).text
    for part in ("TWIN HARBOR FOODS INC", "TWIN RIVERS ENERGY INC", "NYSE, in USD", str(RIVERS)):
        assert part in page
    assert "TWIN means TWIN HARBOR FOODS INC (NASDAQ) from now on" in post(signed_in, team, conid=str(HARBOR))
    assert "TWIN may mean" not in signed_in.get(f"/teams/{team.code}/").text
    assert decided(strategy).status == "accepted"
    order = Order.objects.get()
    assert (order.conid, order.ticker) == (HARBOR, "TWIN")
    assert {row["conid"] for row in bench.at_broker()} == {HARBOR}
    # IBKR is asked anew on another day, and the choice holds.
    ContractLookup.objects.filter(ticker="TWIN").update(status="wanted", conid=None)
    lab.work()
    assert ContractLookup.objects.get(ticker="TWIN").conid == HARBOR
    assert AuditEntry.objects.filter(action="connection.choose_contract", subject="TWIN").count() == 1


def test_a_choice_is_taken_back_and_the_symbol_opens_nothing_again(
    bench: lab.Lab, strategy: Strategy, team: Team, signed_in: Client
) -> None:
    decided(strategy)
    post(signed_in, team, conid=str(RIVERS))
    lab.work()
    choice = ContractChoice.objects.get()
    assert "is taken back" in post(signed_in, team, forget=str(choice.code))
    assert not ContractChoice.objects.exists()
    refused = decided(strategy)
    assert (refused.rule, refused.reason_code) == ("B01", "ambiguous-symbol")
    assert bench.posts() == []
    assert "was taken back already" in post(signed_in, team, forget=str(choice.code))


def test_what_is_held_is_sold_without_its_choice(
    bench: lab.Lab, strategy: Strategy, team: Team, signed_in: Client
) -> None:
    decided(strategy)
    post(signed_in, team, conid=str(RIVERS))
    decided(strategy)
    held(bench, RIVERS)
    post(signed_in, team, forget=str(ContractChoice.objects.get().code))
    assert decided(strategy, "exit").status == "accepted"
    way_out = Order.objects.latest("pk")
    assert (way_out.conid, way_out.role) == (RIVERS, "exit")
    assert ContractLookup.objects.get(ticker="TWIN").candidates


def test_a_chosen_contract_that_ibkr_lists_no_more_is_asked_for_anew(
    bench: lab.Lab, strategy: Strategy, team: Team, signed_in: Client
) -> None:
    decided(strategy)
    post(signed_in, team, conid=str(RIVERS))
    lab.work()
    left = {"name": "TWIN HARBOR FOODS INC", "assetClass": "STK"}
    left["contracts"] = [{"conid": HARBOR, "exchange": "NASDAQ", "isUS": True}]  # type: ignore[assignment]
    bench.gateway.fault(
        match={"user": bench.user, "path": "/trsrv/stocks"}, action={"status": 200, "body": {"TWIN": [left]}}, times=3
    )
    ContractLookup.objects.filter(ticker="TWIN").update(status="wanted")
    refused = decided(strategy)
    # The one that is left may be another company: it is not taken by itself.
    assert (refused.rule, refused.reason_code) == ("B01", "chosen-contract-gone")
    assert f"your team chose for TWIN ({RIVERS}) is not listed by IBKR any more" in refused.reason
    assert bench.posts() == []
    assert "chosen-contract-gone" in signed_in.get(f"/teams/{team.code}/decisions/{refused.code}/").text
    post(signed_in, team, conid=str(HARBOR))
    assert decided(strategy).status == "accepted"
    assert Order.objects.get().conid == HARBOR


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        ({"conid": "265598"}, "not-a-candidate"),
        ({"conid": ""}, "nothing-marked"),
        ({"conid": "9" * 30}, "nothing-marked"),
        ({"ticker": "AAPL", "conid": "265598"}, "nothing-to-choose"),
        ({"simulated": "no", "conid": str(RIVERS)}, "nothing-to-choose"),
    ],
)
def test_what_is_not_offered_is_not_chosen(
    bench: lab.Lab, strategy: Strategy, team: Team, signed_in: Client, sent: dict[str, str], code: str
) -> None:
    decided(strategy)
    assert f"({code})" in post(signed_in, team, **sent)
    assert not ContractChoice.objects.exists()


def test_another_teams_choice_counts_for_nobody_else(bench: lab.Lab, strategy: Strategy, bob: User) -> None:
    theirs = teams.found_team(owner=bob, name="Theirs", now=timezone.now())
    ContractChoice.objects.create(
        team=theirs, simulated=True, asset_class="stock", ticker="TWIN", conid=RIVERS, chosen_at=timezone.now()
    )
    assert decided(strategy).reason_code == "ambiguous-symbol"


def test_a_choice_made_while_ibkr_was_asked_is_not_overwritten(team: Team, bench: lab.Lab) -> None:
    both = [Candidate(conid=conid, name="TWIN", exchange="NYSE") for conid in (RIVERS, HARBOR)]
    lookup = ContractLookup.objects.create(connection=bench.connection, ticker="TWIN", asset_class="stock")
    contracts.answer(lookup, now=timezone.now(), refusal=AmbiguousSymbol("Which?", both))
    asked = choices.waiting(team)[0]
    choices.choose(team=team, asked=asked, conid=HARBOR, actor=None, now=timezone.now())
    # An answer to the question as it was before comes late.
    lookup.refresh_from_db()
    contracts.answer(lookup, now=timezone.now(), refusal=AmbiguousSymbol("Which?", both))
    lookup.refresh_from_db()
    assert (lookup.status, lookup.candidates) == ("wanted", None)


def test_over_rest_it_is_listed_chosen_and_taken_back(
    bench: lab.Lab, strategy: Strategy, team: Team, alice: User
) -> None:
    decided(strategy)
    secret = teams.issue_token(team=team, user=alice, name="robot", now=timezone.now(), scopes=["trade"])
    api = Client(headers={"Authorization": f"Token {secret}"})
    at = "/api/v1/contract-choices/"
    waits = api.get(f"{at}waiting/").json()
    assert [(each["ticker"], [one["conid"] for one in each["candidates"]]) for each in waits] == [
        ("TWIN", [RIVERS, HARBOR])
    ]
    wrong = api.post(at, {"ticker": "TWIN", "conid": 1, "simulated": True}, content_type="application/json")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "not-a-candidate")
    made = api.post(at, {"ticker": "twin", "conid": HARBOR, "simulated": True}, content_type="application/json")
    assert (made.status_code, made.json()["exchange"]) == (201, "NASDAQ")
    again = api.post(at, {"ticker": "TWIN", "conid": HARBOR, "simulated": True}, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "nothing-to-choose")
    assert api.delete(f"{at}{made.json()['id']}/").status_code == 204
    assert not ContractChoice.objects.exists()


def test_real_money_takes_a_person(team: Team, alice: User, signed_in: Client) -> None:
    connection = broker.connection(team, environment="live", base_url="https://127.0.0.1:5000/v1/api")
    two = [{"conid": conid, "name": "Twin", "exchange": "NYSE", "currency": "USD"} for conid in (1, 2)]
    ContractLookup.objects.create(
        connection=connection, ticker="TWIN", asset_class="stock", status="unknown", candidates=two
    )
    secret = teams.issue_token(team=team, user=alice, name="robot", now=timezone.now(), scopes=["trade"])
    api = Client(headers={"Authorization": f"Token {secret}"})
    answer = api.post("/api/v1/contract-choices/", {"ticker": "TWIN", "conid": 1}, content_type="application/json")
    assert answer.status_code == 403
    assert not ContractChoice.objects.exists()
