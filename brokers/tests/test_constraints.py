"""What Postgres refuses about accounts, orders and fills: bad values, illegal moves, and tenants that meet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
from django.utils import timezone

from accounts import teams
from accounts.models import Membership, Team, User
from accounts.tests.refusals import named_constraints, refused_by
from brokers.domain.orders import CHANGED_IN_PLACE, SIZED_BY_THE_BROKER, TRANSITIONS, OrderStatus, can_move
from brokers.models import (
    AccountGroup,
    Authorization,
    BrokerageAccount,
    BrokerMessage,
    Closing,
    Connection,
    ContractChoice,
    ContractLookup,
    CorporateAction,
    Delivery,
    Destination,
    Dispatch,
    Doubt,
    EquityPoint,
    ExchangeRate,
    FillRate,
    FirstHolding,
    ForeignOrder,
    GroupChange,
    KeySet,
    Lapse,
    LiveSessionToken,
    MarginPreview,
    NetFill,
    Notice,
    OpeningPosition,
    OptionChain,
    Order,
    OrderEvent,
    OrderModification,
    OrderPrompt,
    QuestionAnswer,
    Rescaling,
    SilencedNotice,
    SubmissionAttempt,
    Suppression,
    Ticket,
    UnclaimedOrder,
    UnexplainedChange,
    WhatIf,
)
from brokers.tests import rows


class Scene(NamedTuple):
    """Alice's account and order, and Charlie's."""

    account: BrokerageAccount
    order: Order
    theirs: BrokerageAccount
    their_order: Order
    now: datetime

    @property
    def connection(self) -> Connection:
        return self.account.connection

    @property
    def ticket(self) -> Ticket:
        return self.order.ticket


@pytest.fixture
def at(team: Team, charlie: User, now: datetime) -> Scene:
    account = rows.account(team)
    theirs = rows.account(teams.found_team(owner=charlie, name="Charlie's", now=now))
    return Scene(account, rows.order(account), theirs, rows.order(theirs), now)


def another_connection(at: Scene, **values: object) -> Connection:
    fields = {"team": at.account.team, "name": "Another", "username": "other", "environment": "simulated", **values}
    return Connection.objects.create(**fields)


def second(at: Scene, **values: object) -> Order:
    """An order that IBKR has beside Alice's."""
    return rows.order(at.ticket, **{"second_of": at.order, "broker_order_id": "7", **values})


def another_account(at: Scene, **values: object) -> BrokerageAccount:
    fields = {"team": at.account.team, "connection": at.connection, "account_id": "SIM0", **values}
    return BrokerageAccount.objects.create(**fields)


def lookup(at: Scene, **values: object) -> ContractLookup:
    fields = {"connection": at.connection, "ticker": "AAPL", "asset_class": "stock", **values}
    return ContractLookup.objects.create(**fields)


def choice(at: Scene, **values: object) -> ContractChoice:
    fields = {
        "team": at.account.team,
        "ticker": "TWIN",
        "asset_class": "stock",
        "conid": 1,
        "simulated": True,
        **values,
    }
    return ContractChoice.objects.create(chosen_at=at.now, **fields)


def attempt(at: Scene, **values: object) -> SubmissionAttempt:
    return SubmissionAttempt.objects.create(order=at.order, kind="post", request_hash="0", sent_at=at.now, **values)


def modification(at: Scene, **values: object) -> OrderModification:
    """A change of Alice's order that waits: its stop at 95."""
    fields = {
        "team": at.account.team,
        "order": at.order,
        "connection": at.connection,
        "stop_price": Decimal(95),
        "asked_at": at.now,
        "expires_at": at.now + timedelta(minutes=1),
        **values,
    }
    return OrderModification.objects.create(**fields)


def answer(at: Scene, **values: object) -> QuestionAnswer:
    columns = {"team": at.account.team, "message_id": "o354", "confirmed": True, "chosen_at": at.now, **values}
    return QuestionAnswer.objects.create(**columns)


def suppression(at: Scene, **values: object) -> Suppression:
    return Suppression.objects.create(**{"connection": at.connection, "asked_at": at.now, **values})


def prompt(at: Scene, **values: object) -> OrderPrompt:
    fields = {"broker_order_id": "1", "request_id": "1", "by": "stream", "seen_at": at.now, **values}
    return OrderPrompt.objects.create(connection=at.connection, **fields)


def message(at: Scene, **values: object) -> BrokerMessage:
    fields = {"topic": "ntf", "key": "1", "text": "Hello", "first_seen_at": at.now, "seen_at": at.now, **values}
    return BrokerMessage.objects.create(**{"team": at.account.team, "connection": at.connection, **fields})


def doubt(at: Scene, **values: object) -> Doubt:
    fields = {"team": at.account.team, "order": at.order, "origin": "answer_lost", **values}
    return Doubt.objects.create(**fields)


def lapse(at: Scene, **values: object) -> Lapse:
    fields = {
        "team": at.account.team,
        "account": at.account,
        "conid": 265598,
        "ticker": "AAPL",
        "fault": "refused",
        "choice": "alarm",
        "verdict": "alarm-chosen",
        "began_at": at.now,
        "changed_at": at.now,
        **values,
    }
    return Lapse.objects.create(**fields)


def foreign(at: Scene, **values: object) -> ForeignOrder:
    fields = {"team": at.account.team, "account": at.account, "broker_order_id": "7", "conid": 265598, "side": "sell"}
    return ForeignOrder.objects.create(**{**fields, "remaining": Decimal(5), "seen_at": at.now, **values})


def unexplained(at: Scene, **values: object) -> UnexplainedChange:
    times = {"before_at": at.now, "since": at.now, "as_of": at.now}
    fields = {"team": at.account.team, "account": at.account, "conid": 265598, "before": 0, "quantity": 5, **times}
    return UnexplainedChange.objects.create(**{**fields, **values})


def split(at: Scene, **values: object) -> CorporateAction:
    return rows.split(at.account, **{"before_at": at.now, "seen_at": at.now, **values})


def rescaling(at: Scene, **values: object) -> Rescaling:
    action = CorporateAction.objects.first() or split(at)
    fields = {
        "team": at.account.team,
        "order": at.order,
        "action": action,
        "new": 4,
        "old": 1,
        "quantity_before": 5,
        "at": at.now,
    }
    return Rescaling.objects.create(**{**fields, **values})


def unclaimed(at: Scene, **values: object) -> UnclaimedOrder:
    fields = {"team": at.account.team, "account": at.account, "broker_order_id": "7", "conid": 265598, "side": "buy"}
    return UnclaimedOrder.objects.create(**{**fields, "filled": Decimal(5), "filled_at": at.now, **values})


def another_order(at: Scene, **values: object) -> Order:
    return rows.order(at.ticket, **values)


def opening(at: Scene) -> OpeningPosition:
    return OpeningPosition.objects.create(
        account=at.account, day=at.now.date(), conid=265598, ticker="AAPL", quantity=Decimal(1)
    )


def exchange_rate(at: Scene, **values: object) -> ExchangeRate:
    fields = {"connection": at.connection, "source": "EUR", "target": "USD", **values}
    return ExchangeRate.objects.create(**fields)


def chain(at: Scene) -> OptionChain:
    return OptionChain.objects.create(connection=at.connection, name="SPY", said={}, said_at=timezone.now())


def preview(at: Scene, **values: object) -> MarginPreview:
    columns = {"account": at.account, "conid": 1, "side": "buy", "quantity": 1, **values}
    return MarginPreview.objects.create(**columns)


def what_if(at: Scene, **values: object) -> WhatIf:
    columns = {"team": at.account.team, "account": at.account, "key": at.account.code, "request": {}, **values}
    return WhatIf.objects.create(**columns)


def key_set(at: Scene, **values: object) -> KeySet:
    return KeySet.objects.create(team=at.account.team, consumer_key="ABCDEFGHI", **values)


def authorization(at: Scene, **values: object) -> Authorization:
    fields = {"team": at.account.team, "request_token": "r", "asked_at": at.now, **values}
    fields.setdefault("expires_at", at.now + timedelta(minutes=10))
    return Authorization.objects.create(user=at.account.team.memberships.earliest("pk").user, **fields)


def closing(at: Scene, **values: object) -> Closing:
    fields = {
        "team": at.account.team,
        "account": at.account,
        "conid": 265598,
        "ticker": "AAPL",
        "asset_class": "stock",
        "reason": "Asked for.",
        "asked_at": at.now,
        **values,
    }
    return Closing.objects.create(**fields)


def notice(at: Scene, **values: object) -> Notice:
    columns = {"connection": at.connection, "kind": "not-ready", "event": "an event", "opens_at": at.now, **values}
    return Notice.objects.create(created_at=at.now, **columns)


def dispatch(at: Scene, **values: object) -> Dispatch:
    of, _ = Notice.objects.get_or_create(
        connection=at.connection, kind="not-ready", event="one", opens_at=at.now, created_at=at.now
    )
    user = Membership.objects.filter(team=at.account.team).earliest("pk").user
    return Dispatch.objects.create(**{"notice": of, "user": user, "channel": "email", "due_at": at.now, **values})


def silence(at: Scene, **values: object) -> SilencedNotice:
    membership = Membership.objects.filter(team=at.account.team).earliest("pk")
    return SilencedNotice.objects.create(**{"membership": membership, "kind": "ready-again", **values})


def destination(at: Scene, **values: object) -> Destination:
    membership = Membership.objects.filter(team=at.account.team).earliest("pk")
    columns = {"membership": membership, "team": membership.team, "service": "slack", "name": "Team chat", "host": "x"}
    return Destination.objects.create(**{**columns, "created_at": at.now, **values})


def delivery(at: Scene, **values: object) -> Delivery:
    place = Destination.objects.filter(name="Team chat").first() or destination(at)
    of, _ = Notice.objects.get_or_create(
        connection=at.connection, kind="not-ready", event="one", opens_at=at.now, created_at=at.now
    )
    return Delivery.objects.create(**{"notice": of, "destination": place, "due_at": at.now, **values})


def changed(order: Order, **values: object) -> None:
    Order.objects.filter(pk=order.pk).update(**values)


def twice(make: Callable[[], object]) -> None:
    make()
    make()


def group(at: Scene, **values: object) -> AccountGroup:
    columns = {"team": at.account.team, "connection": at.connection, "account": at.account, "name": "Family"}
    return AccountGroup.objects.create(**columns | {"method": "NetLiq", "read_at": at.now, **values})


def group_change(at: Scene, **values: object) -> GroupChange:
    columns = {"team": at.account.team, "connection": at.connection, "name": "Family", "kind": "make"}
    return GroupChange.objects.create(**columns | {"method": "NetLiq", "asked_at": at.now, **values})


BAD: dict[str, Callable[[Scene], object]] = {
    "one_enabled_connection_per_username": lambda at: another_connection(at, username=at.connection.username),
    "one_enabled_connection_per_username_in_a_team": lambda at: twice(
        lambda: another_connection(at, environment="paper", proved_at=at.now)
    ),
    "removed_connection_is_off": lambda at: another_connection(at, removed_at=at.now, enabled=True),
    "one_notice_per_connection_and_event": lambda at: twice(lambda: notice(at)),
    "notice_kind_is_known": lambda at: notice(at, kind="gossip"),
    "one_dispatch_per_notice_person_and_channel": lambda at: twice(lambda: dispatch(at)),
    "dispatch_channel_is_known": lambda at: dispatch(at, channel="pigeon"),
    "dispatch_status_is_known": lambda at: dispatch(at, status="thrown"),
    "dispatch_says_when_it_left": lambda at: dispatch(at, status="sent"),
    "one_destination_per_member_and_name": lambda at: twice(lambda: destination(at)),
    "destination_service_is_known": lambda at: destination(at, service="pigeon"),
    "broken_destination_says_why": lambda at: destination(at, is_broken=True),
    "one_delivery_per_notice_and_destination": lambda at: twice(lambda: delivery(at)),
    "delivery_status_is_known": lambda at: delivery(at, status="thrown"),
    "delivery_says_when_it_left": lambda at: delivery(at, status="sent"),
    "one_silence_per_member_and_kind": lambda at: twice(lambda: silence(at)),
    "only_notices_that_may_be_silent_are_silenced": lambda at: silence(at, kind="not-ready"),
    "live_session_token_ends_after_it_began": lambda at: LiveSessionToken.objects.create(
        connection=at.connection, made_at=at.now, expires_at=at.now
    ),
    "one_key_set_is_made_at_a_time": lambda at: twice(lambda: key_set(at, in_hand=True)),
    "key_set_step_is_known": lambda at: key_set(at, step="begun"),
    "key_set_and_its_connection_share_a_team": lambda at: key_set(at, connection=at.theirs.connection),
    "authorization_ends_after_it_began": lambda at: authorization(at, expires_at=at.now),
    "authorization_and_its_connection_share_a_team": lambda at: authorization(at, connection=at.theirs.connection),
    "connection_environment_is_known": lambda at: another_connection(at, environment="dream"),
    "connection_ownership_is_known": lambda at: another_connection(at, ownership="mine"),
    "connection_resends_are_known": lambda at: another_connection(at, resends="twice"),
    "polite_for_a_day_at_most": lambda at: another_connection(at, polite_minutes=0),
    "connection_region_seen_is_known": lambda at: another_connection(at, region_seen="Mars"),
    "connection_prices_are_known": lambda at: another_connection(at, prices="guessed"),
    "signals_price_simulated_markets_only": lambda at: another_connection(at, environment="paper", prices="signal"),
    "connection_session_status_is_known": lambda at: another_connection(at, session_status="well"),
    "one_account_per_connection_and_number": lambda at: another_account(at, account_id=at.account.account_id),
    "day_trades_left_is_none_or_a_number": lambda at: another_account(at, day_trades_left=-2),
    "account_and_its_connection_share_a_team": lambda at: another_account(at, connection=at.theirs.connection),
    "one_equity_point_per_account_and_moment": lambda at: twice(
        lambda: EquityPoint.objects.create(account=at.account, at=at.now, equity=1)
    ),
    "one_contract_per_connection_and_instrument": lambda at: twice(lambda: lookup(at)),
    "found_contract_has_a_conid": lambda at: lookup(at, status="found"),
    "option_asked_for_is_named": lambda at: lookup(at, ticker="SPY", asset_class="option"),
    "option_on_a_future_asked_for_is_named": lambda at: lookup(
        at, ticker="ES 261211C6400", asset_class="future_option"
    ),
    "only_a_combo_has_a_number_below_zero": lambda at: lookup(at, status="found", conid=-5),
    "one_choice_per_team_and_symbol": lambda at: twice(lambda: choice(at)),
    "chosen_contract_has_a_number": lambda at: choice(at, conid=0),
    "one_margin_preview_per_account_contract_and_side": lambda at: twice(lambda: preview(at)),
    "margin_preview_is_of_something": lambda at: preview(at, quantity=0),
    "margin_preview_says_of_how_many": lambda at: preview(at, as_of=at.now),
    "one_open_what_if_per_order_of_a_plan": lambda at: twice(lambda: what_if(at)),
    "what_if_status_is_known": lambda at: what_if(at, status="guessed", answered_at=at.now),
    "what_if_that_is_over_has_its_moment": lambda at: what_if(at, status="unanswered"),
    "what_if_has_an_answer_or_has_none": lambda at: what_if(at, status="answered", answered_at=at.now),
    "whatif_and_its_account_share_a_team": lambda at: what_if(at, account=at.theirs),
    "one_position_per_account_and_contract": lambda at: twice(lambda: rows.position(at.account)),
    "position_is_never_zero": lambda at: rows.position(at.account, quantity=Decimal(0)),
    "position_and_its_account_share_a_team": lambda at: rows.position(at.account, team=at.theirs.team),
    "ticket_and_its_account_share_a_team": lambda at: Ticket.objects.filter(pk=at.ticket.pk).update(account=at.theirs),
    "ticket_and_its_connection_share_a_team": lambda at: rows.ticket(at.account, connection=at.theirs.connection),
    "order_and_its_ticket_share_a_team": lambda at: changed(at.order, ticket=at.their_order.ticket),
    "order_and_its_account_share_a_team": lambda at: changed(at.order, account=at.theirs),
    "order_and_its_connection_share_a_team": lambda at: changed(at.order, connection=at.theirs.connection),
    "order_and_its_group_entry_share_a_team": lambda at: another_order(
        at, role="stop_loss", group_entry=at.their_order
    ),
    "order_and_its_second_of_share_a_team": lambda at: second(at, second_of=at.their_order),
    "second_order_has_its_number": lambda at: second(at, broker_order_id=""),
    "one_second_order_a_number": lambda at: twice(lambda: second(at)),
    "order_quantity_positive": lambda at: another_order(at, quantity=Decimal(0)),
    "order_never_overfilled": lambda at: changed(at.order, filled_quantity=at.order.quantity + 1),
    "order_limit_price_when_limit": lambda at: another_order(at, type="limit"),
    "order_stop_price_when_stop": lambda at: another_order(at, type="stop"),
    "order_if_touched_at_market_has_no_limit": lambda at: another_order(
        at, type="market_if_touched", stop_price=Decimal(1), limit_price=Decimal(1)
    ),
    "order_at_midprice_has_no_stop": lambda at: another_order(at, type="midprice", stop_price=Decimal(1)),
    "order_of_a_combo_is_one_that_ibkr_takes": lambda at: another_order(at, conid=-5),
    "order_if_touched_does_not_trail": lambda at: another_order(
        at, type="market_if_touched", stop_price=Decimal(1), trail_percent=Decimal(1)
    ),
    "order_that_trails_has_one_distance": lambda at: another_order(at, type="trailing_stop"),
    "order_good_till_date_has_its_end": lambda at: another_order(at, time_in_force="gtd"),
    "order_leaves_before_its_end": lambda at: another_order(
        at, time_in_force="gtd", good_till=at.now, expires_at=at.now + timedelta(seconds=1)
    ),
    "order_allocation_has_group_and_method_or_neither": lambda at: another_order(at, fa_group="family"),
    "order_that_waits_for_a_parent_has_one": lambda at: another_order(at, release="after_parent_fills"),
    "only_a_leg_is_counted_from_a_fill": lambda at: another_order(at, distance=Decimal(2), distance_in="percent"),
    "only_an_entry_for_a_group_has_legs_by_account": lambda at: another_order(at, legs_by_account={"legs": []}),
    "legs_by_account_are_no_orders": lambda at: another_order(at, release="by_account"),
    "only_a_leg_of_an_account_has_a_groups_entry": lambda at: another_order(at, role="take_profit", rung=1),
    "only_an_entry_has_legs_from_its_fill": lambda at: another_order(at, role="exit", legs_from_fill=True),
    "only_a_leg_has_a_rule_of_moving": lambda at: another_order(
        at, moves_after=1, moves_to="break_even", moves_by=Decimal(0)
    ),
    "filled_order_is_filled_whole": lambda at: changed(at.order, status="filled", filled_quantity=Decimal(9)),
    "order_that_is_to_change_is_to_be_smaller": lambda at: changed(
        at.order, resize_to=at.order.quantity, resize_asked_at=at.now
    ),
    "only_an_entry_asks_first": lambda at: another_order(at, role="exit", asks_first=True),
    "order_status_is_known": lambda at: changed(at.order, status="lost"),
    "order_side_is_known": lambda at: another_order(at, side="short"),
    "order_type_is_known": lambda at: another_order(at, type="guess"),
    "order_event_is_a_legal_move": lambda at: OrderEvent.objects.create(order=at.order, old="filled", new="canceled"),
    "one_answer_per_team_and_question": lambda at: twice(lambda: answer(at)),
    "question_has_an_id": lambda at: answer(at, message_id="DROP"),
    "at_most_51_questions_suppressed": lambda at: suppression(at, message_ids=["o354"] * 52),
    "brokermessage_and_its_connection_share_a_team": lambda at: message(at, connection=at.theirs.connection),
    "one_row_per_message_of_ibkrs": lambda at: twice(lambda: message(at)),
    "broker_message_topic_is_known": lambda at: message(at, topic="tic"),
    "broker_message_says_something": lambda at: message(at, text=""),
    "one_row_per_prompt_of_an_order": lambda at: twice(lambda: prompt(at)),
    "prompt_verdict_is_known": lambda at: prompt(at, order=at.order, verdict="maybe"),
    "prompt_came_by_a_known_way": lambda at: prompt(at, by="post"),
    "judged_prompt_has_its_order": lambda at: prompt(at, verdict="left"),
    "answered_prompt_has_its_attempt": lambda at: prompt(at, order=at.order, verdict="answered"),
    "one_open_doubt_an_order": lambda at: twice(lambda: doubt(at)),
    "doubt_origin_is_known": lambda at: doubt(at, origin="rumour"),
    "doubt_choice_has_its_time": lambda at: doubt(at, choice="absent"),
    "closed_doubt_says_what_became": lambda at: doubt(at, closed_at=at.now),
    "doubt_and_its_order_share_a_team": lambda at: doubt(at, order=at.their_order),
    "ticket_missing_stop_is_known": lambda at: rows.ticket(at.account, missing_stop="pray"),
    "one_open_lapse_per_position": lambda at: twice(lambda: lapse(at)),
    "lapse_fault_is_known": lambda at: lapse(at, fault="rust"),
    "lapse_choice_is_known": lambda at: lapse(at, choice="pray"),
    "ended_lapse_says_how_and_alarms_nobody": lambda at: lapse(at, ended_at=at.now),
    "lapse_and_its_account_share_a_team": lambda at: lapse(at, account=at.theirs),
    "lapse_and_its_stop_share_a_team": lambda at: lapse(at, stop=at.their_order),
    "lapse_and_its_entry_share_a_team": lambda at: lapse(at, entry=at.their_order),
    "one_foreign_order_per_number": lambda at: twice(lambda: foreign(at)),
    "foreign_order_has_something_left": lambda at: foreign(at, remaining=Decimal(0)),
    "foreign_order_side_is_known": lambda at: foreign(at, side="short"),
    "foreignorder_and_its_second_of_share_a_team": lambda at: foreign(at, second_of=at.their_order),
    "one_unexplained_change_a_contract": lambda at: twice(lambda: unexplained(at)),
    "unexplained_change_has_its_times": lambda at: unexplained(at, since=at.now + timedelta(seconds=1)),
    "unexplainedchange_and_its_account_share_a_team": lambda at: unexplained(at, account=at.theirs),
    "corporateaction_and_its_account_share_a_team": lambda at: split(at, account=at.theirs),
    "corporate_action_state_is_known": lambda at: split(at, state="guessed"),
    "corporate_action_has_its_ratio_once_it_is_known": lambda at: split(at, state="known"),
    "corporate_action_has_the_moment_of_its_answer": lambda at: split(at, state="none"),
    "corporate_action_has_its_times": lambda at: split(at, before_at=at.now + timedelta(seconds=1)),
    "corporate_action_is_of_something": lambda at: split(at, quantity=Decimal(0)),
    "one_open_question_of_a_holding": lambda at: [split(at), split(at, before_at=at.now - timedelta(hours=1))],
    "one_corporate_action_of_a_reading": lambda at: [split(at), split(at, conid=1)],
    "one_rescaling_per_order_and_split": lambda at: twice(lambda: rescaling(at)),
    "rescaling_and_its_order_share_a_team": lambda at: rescaling(at, order=at.their_order),
    "rescaling_and_its_action_share_a_team": lambda at: rescaling(at, action=rows.split(at.theirs)),
    "rescaling_is_by_a_ratio": lambda at: rescaling(at, old=0),
    "unclaimed_order_asks_once": lambda at: twice(lambda: unclaimed(at)),
    "unclaimed_order_has_a_name": lambda at: unclaimed(at, broker_order_id=""),
    "unclaimed_order_has_filled": lambda at: unclaimed(at, filled=Decimal(0)),
    "unclaimed_order_side_is_known": lambda at: unclaimed(at, side="short"),
    "unclaimed_order_choice_has_its_moment": lambda at: unclaimed(at, choice="leave"),
    "unclaimed_order_has_a_row_once_adopted": lambda at: unclaimed(at, choice="adopt", decided_at=at.now),
    "unclaimedorder_and_its_account_share_a_team": lambda at: unclaimed(at, account=at.theirs),
    "unclaimedorder_and_its_second_of_share_a_team": lambda at: unclaimed(at, second_of=at.their_order),
    "unclaimedorder_and_its_order_share_a_team": lambda at: unclaimed(
        at, choice="adopt", decided_at=at.now, order=at.their_order
    ),
    "foreignorder_and_its_account_share_a_team": lambda at: foreign(at, account=at.theirs),
    "attempt_has_an_outcome_once_answered": lambda at: attempt(at, outcome="accepted"),
    "one_modification_of_each_kind_waits": lambda at: twice(lambda: modification(at)),
    "one_modification_of_an_order_leaves": lambda at: twice(lambda: modification(at, status="leaving")),
    "modification_changes_something": lambda at: modification(at, stop_price=None),
    "modification_of_an_end_is_made_at_once": lambda at: modification(at, time_in_force="gtd", good_till=at.now),
    "modification_has_one_trail": lambda at: modification(at, trail_amount=Decimal(1), trail_percent=Decimal(1)),
    "modification_is_above_zero": lambda at: modification(at, quantity=Decimal(0)),
    "modification_that_ended_has_its_moment": lambda at: modification(at, status="made"),
    "modification_that_is_not_made_says_why": lambda at: modification(at, status="not_made", ended_at=at.now),
    "modification_and_its_order_share_a_team": lambda at: modification(at, order=at.their_order),
    "modification_and_its_ticket_share_a_team": lambda at: modification(at, ticket=at.their_order.ticket),
    "a_fill_counts_once": lambda at: twice(lambda: rows.execution(at.order, broker_execution_id="0000.1")),
    "execution_quantity_positive": lambda at: rows.execution(at.order, quantity=Decimal(-1)),
    "execution_side_is_known": lambda at: rows.execution(at.order, side="both"),
    "execution_and_its_account_share_a_team": lambda at: rows.execution(at.order, account=at.theirs),
    "execution_and_its_order_share_a_team": lambda at: rows.execution(at.order, order=at.their_order),
    "one_opening_position_per_account_and_day": lambda at: twice(lambda: opening(at)),
    "net_fill_is_never_zero": lambda at: NetFill.objects.create(account=at.account, conid=1, quantity=Decimal(0)),
    "one_first_holding_of_a_contract": lambda at: [
        FirstHolding.objects.create(account=at.account, conid=7, quantity=Decimal(1), at=at.now) for _ in range(2)
    ],
    "first_holding_is_of_something": lambda at: FirstHolding.objects.create(
        account=at.account, conid=7, quantity=Decimal(0), at=at.now
    ),
    "fill_rate_is_above_zero": lambda at: FillRate.objects.create(
        execution=rows.execution(at.order), target="EUR", rate=Decimal(0), as_of=at.now
    ),
    "one_rate_per_connection_and_currencies": lambda at: twice(lambda: exchange_rate(at)),
    "exchange_rate_is_above_zero": lambda at: exchange_rate(at, rate=Decimal(0)),
    "one_chain_per_connection_and_name": lambda at: twice(lambda: chain(at)),
    "one_open_closing_per_position": lambda at: twice(lambda: closing(at)),
    "closing_quantity_positive": lambda at: closing(at, quantity=Decimal(0)),
    "ended_closing_has_its_moment": lambda at: closing(at, status="done"),
    "closing_and_its_account_share_a_team": lambda at: closing(at, account=at.theirs),
    "one_group_per_connection_and_name": lambda at: twice(lambda: group(at)),
    "group_has_a_name": lambda at: group(at, name=""),
    "group_method_is_known": lambda at: group(at, method="PctChange"),
    "account_group_and_its_connection_share_a_team": lambda at: group(at, connection=at.theirs.connection),
    "account_group_and_its_account_share_a_team": lambda at: group(at, account=at.theirs),
    "one_open_change_per_group": lambda at: twice(lambda: group_change(at)),
    "group_change_is_known": lambda at: group_change(at, kind="rename"),
    "group_change_method_is_known": lambda at: group_change(at, method="PctChange"),
    "group_change_has_the_moments_of_its_status": lambda at: group_change(at, status="sent"),
    "group_change_and_its_connection_share_a_team": lambda at: group_change(at, connection=at.theirs.connection),
    "call_outcome_is_known": lambda at: rows.call(at.connection, outcome="lost"),
    "call_takes_at_least_our_share": lambda at: rows.call(at.connection, took_ms=1.0, own_ms=2.0),
    "call_and_its_connection_share_a_team": lambda at: rows.call(at.connection, team=at.theirs.team),
    "call_and_its_order_share_a_team": lambda at: rows.call(at.connection, order=at.their_order),
}


@pytest.mark.parametrize("name", BAD)
def test_postgres_refuses(at: Scene, name: str) -> None:
    with refused_by(name):
        BAD[name](at)


def test_every_named_constraint_is_asked_about() -> None:
    assert set(BAD) == named_constraints("brokers")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("order_limit_price_when_limit", {"type": "stop_limit", "stop_price": Decimal(1)}),
        ("order_limit_price_when_limit", {"type": "limit_if_touched", "stop_price": Decimal(1)}),
        ("order_stop_price_when_stop", {"type": "limit_if_touched", "limit_price": Decimal(1)}),
        ("order_stop_price_when_stop", {"type": "market_if_touched"}),
        ("order_stop_price_when_stop", {"type": "trailing_stop_limit", "limit_price": Decimal(1), "trail_amount": 1}),
        ("order_limit_price_when_limit", {"type": "trailing_stop_limit", "stop_price": Decimal(1), "trail_amount": 1}),
        (
            "order_that_trails_has_one_distance",
            {"type": "trailing_stop_limit", "stop_price": Decimal(1), "limit_price": Decimal(1)},
        ),
        ("order_stop_price_when_stop", {"type": "stop_limit", "limit_price": Decimal(1)}),
        ("order_allocation_has_group_and_method_or_neither", {"fa_method": "NetLiq"}),
        (
            "order_that_trails_has_one_distance",
            {"type": "trailing_stop", "trail_amount": Decimal(1), "trail_percent": Decimal(1)},
        ),
        ("order_that_waits_for_a_parent_has_one", {"release": "with_parent"}),
        ("only_a_leg_is_counted_from_a_fill", {"role": "stop_loss", "distance": Decimal(2)}),
        ("only_a_leg_is_counted_from_a_fill", {"role": "stop_loss", "distance_in": "percent"}),
        ("only_a_leg_is_counted_from_a_fill", {"role": "stop_loss", "distance": Decimal(0), "distance_in": "percent"}),
        ("only_an_entry_has_legs_from_its_fill", {"legs_counted_from": Decimal(100)}),
        ("order_never_overfilled", {"filled_quantity": Decimal(-1)}),
        *(
            ("order_good_till_date_has_its_end", {"time_in_force": time, "good_till": datetime(2099, 1, 1, tzinfo=UTC)})
            for time in ("day", "gtc", "opg", "cls", "ioc")
        ),
        ("brokers_order_reference_key", {"reference": "hy-same"}),
    ],
)
def test_postgres_refuses_the_other_half_too(at: Scene, name: str, values: dict[str, object]) -> None:
    rows.order(at.account, reference="hy-same")
    with refused_by(name):
        another_order(at, **values)


@pytest.mark.parametrize("values", [{"ended_at": timezone.now()}, {"status": "failed"}])
def test_an_open_closing_has_no_end_and_a_failed_one_has(at: Scene, values: dict[str, object]) -> None:
    with refused_by("ended_closing_has_its_moment"):
        closing(at, **values)


def test_a_position_may_be_closed_again_once_it_was_closed(at: Scene) -> None:
    closing(at, status="done", ended_at=at.now)
    closing(at)


def test_a_reference_is_unique_even_across_teams(at: Scene) -> None:
    with refused_by("brokers_order_reference_key"):
        rows.order(at.theirs, reference=at.order.reference)


def test_a_ticket_key_is_used_once(at: Scene) -> None:
    with refused_by("brokers_ticket_key_key"):
        rows.ticket(at.account, key=at.ticket.key)


def test_one_username_may_be_connected_again_once_the_other_is_off(at: Scene) -> None:
    Connection.objects.filter(pk=at.connection.pk).update(enabled=False)
    another_connection(at, username=at.connection.username)


def test_one_username_may_be_both_live_and_paper(at: Scene) -> None:
    another_connection(at, username="ALICE1", environment="paper")
    another_connection(at, username="ALICE1", environment="live")


def test_the_same_fill_number_may_exist_in_another_account(at: Scene) -> None:
    rows.execution(at.order, broker_execution_id="0000.1")
    rows.execution(at.their_order, broker_execution_id="0000.1")


MOVES = [(old, new) for old in OrderStatus for new in OrderStatus]


def test_postgres_knows_exactly_the_moves_of_the_table(at: Scene) -> None:
    for old, new in MOVES:
        if can_move(old, new) or (old is new and old in CHANGED_IN_PLACE | SIZED_BY_THE_BROKER):
            OrderEvent.objects.create(order=at.order, old=old, new=new)
        else:
            with refused_by("order_event_is_a_legal_move"):
                OrderEvent.objects.create(order=at.order, old=old, new=new)
    assert sum(len(targets) for targets in TRANSITIONS.values()) == sum(can_move(old, new) for old, new in MOVES)


@pytest.mark.parametrize("new", [status for status in OrderStatus if status is not OrderStatus.CREATED])
def test_an_order_begins_as_created(at: Scene, new: OrderStatus) -> None:
    with refused_by("order_event_is_a_legal_move"):
        OrderEvent.objects.create(order=at.order, old="", new=new)


def test_an_illegal_move_changes_neither_the_order_nor_its_history(at: Scene) -> None:
    with refused_by("order_event_is_a_legal_move"):
        Order.objects.move(at.order, OrderStatus.FILLED, now=timezone.now(), filled_quantity=at.order.quantity)
    order = Order.objects.get(pk=at.order.pk)
    assert (order.status, order.filled_quantity) == ("created", Decimal(0))
    assert [event.new for event in order.events.all()] == ["created"]


def test_a_legal_move_writes_its_event(at: Scene) -> None:
    now = timezone.now()
    assert Order.objects.move(at.order, OrderStatus.SUBMITTED, now=now, cause="sent", submitted_at=now)
    event = at.order.events.latest("id")
    assert (event.old, event.new, event.cause, event.at) == ("created", "submitted", "sent", now)
    order = Order.objects.get(pk=at.order.pk)
    assert (order.status, order.submitted_at, order.changed_at) == ("submitted", now, now)
    assert at.order.status == "submitted"


def test_who_comes_second_moves_nothing(at: Scene) -> None:
    stale = Order.objects.get(pk=at.order.pk)
    assert Order.objects.move(at.order, OrderStatus.SUBMITTED, now=timezone.now())
    assert not Order.objects.move(stale, OrderStatus.EXPIRED, now=timezone.now())
    assert Order.objects.get(pk=at.order.pk).status == "submitted"
    assert at.order.events.count() == 2
    assert stale.status == "created"
