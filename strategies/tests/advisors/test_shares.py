"""Who of a group gets how many, before the order leaves: the seed's own examples, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.advisors import legs
from brokers.domain.advisors.groups import Client, Method, SeenGroup
from brokers.domain.contracts import rungs
from brokers.domain.contracts.rules import ContractRules
from brokers.domain.orders import Allocation, Contract, Instrument
from brokers.domain.snapshot import WorkingOrder
from strategies.domain.decide.decide import decide
from strategies.domain.decide.guards import NO_GUARDS, Guards, Halt, Level, LevelGuard
from strategies.domain.message import symbols
from strategies.domain.message.message import Ladder, Rung
from strategies.domain.plan.approval import smaller
from strategies.domain.plan.ladders import ladder
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.plan.shares import Size, shares_of
from strategies.domain.terms.terms import Terms
from strategies.tests.domain.cases_of_decide import NOW, bracket, drawn, message, quote, shape, snapshot, working

E, N, A = Method.EQUAL_QUANTITY, Method.NET_LIQUIDATION, Method.AVAILABLE_EQUITY


def clients(*figures: int | None, of: str = "equity", **every: Any) -> tuple[Client, ...]:
    """Accounts A, B, C … with one figure each."""
    made = []
    for letter, figure in zip("ABCDEFGHIJ", figures, strict=False):
        values = {of: None if figure is None else Decimal(figure), **every}
        made.append(Client(account_id=letter, **values))
    return tuple(made)


def group(method: Method, members: tuple[Client, ...], **values: Any) -> SeenGroup:
    return SeenGroup(name="family", method=method, clients=members, **values)


def divided(seen: SeenGroup, quantity: int, **values: Any) -> list[int] | str:
    """The shares in the group's order, or the code of the refusal."""
    answer = shares_of(seen, Size(quantity=Decimal(quantity), ticker="AAPL", **values))
    return answer.code if isinstance(answer, Rejection) else [int(share.quantity) for share in answer]


def test_the_seeds_own_examples() -> None:
    # Equal quantity: 400 among four, and 400 among six with what is left over handed out one by one.
    assert divided(group(E, clients(0, 0, 0, 0)), 400) == [100] * 4
    assert divided(group(E, clients(0, 0, 0, 0, 0, 0)), 400) == [67, 67, 67, 67, 66, 66]
    # 25,000, 50,000 and 100,000: the second gets twice the first, the third twice the second.
    by_value = clients(25_000, 50_000, 100_000)
    assert divided(group(N, by_value), 700) == [100, 200, 400]
    by_equity = clients(25_000, 50_000, 100_000, of="available")
    assert divided(group(A, by_equity), 700) == [100, 200, 400]


def test_what_an_account_cannot_pay_for_is_canceled_and_given_to_nobody_else() -> None:
    # The seed's: 400 among four, of which one can pay for 90.
    short = clients(10_000, 10_000, 10_000, 900, of="available")
    answer = shares_of(group(E, short), Size(quantity=Decimal(400), unit_margin=Decimal(10), ticker="AAPL"))
    assert not isinstance(answer, Rejection)
    assert [(int(share.quantity), int(share.unpaid)) for share in answer] == [(100, 0), (100, 0), (100, 0), (90, 10)]
    assert sum(share.quantity for share in answer) == 390


@pytest.mark.parametrize(
    ("method", "amounts", "quantity", "expected"),
    [
        (Method.PERCENTAGE, (50, 30, 20), 100, [50, 30, 20]),
        (Method.PERCENTAGE, (50, 30, 19), 100, "group-percentages"),
        (Method.RATIOS, (3, 1), 8, [6, 2]),
        (Method.RATIOS, (3, None), 8, "group-amount-missing"),
        (Method.SHARES, (30, 10), 40, [30, 10]),
        (Method.SHARES, (30, 10), 41, "group-shares-sum"),
        (Method.CASH_QUANTITY, (5000, 1000), 40, "group-divides-money"),
    ],
)
def test_methods_that_take_an_amount_for_each_account(
    method: Method, amounts: tuple[int | None, ...], quantity: int, expected: list[int] | str
) -> None:
    assert divided(group(method, clients(*amounts, of="amount")), quantity) == expected


@pytest.mark.parametrize(
    ("seen", "quantity", "code"),
    [
        (group(E, ()), 10, "group-empty"),
        (group(E, clients(0, 0, 0)), 2, "group-below-one"),
        (group(N, clients(100, 100, 100)), 2, "group-below-one"),
        (group(N, clients(1000, None)), 10, "group-money-unknown"),
        (group(E, clients(0, 0, permitted=False)), 10, "group-account-not-permitted"),
        (group(E, clients(0, 0), problem="IBKR shows no such group.", problem_code="group-gone"), 10, "group-gone"),
        (group(E, clients(5, 5, of="available")), 10, "group-no-money"),
    ],
)
def test_what_cannot_be_divided_is_one_sentence_and_nothing_is_sent(seen: SeenGroup, quantity: int, code: str) -> None:
    answer = shares_of(seen, Size(quantity=Decimal(quantity), unit_margin=Decimal(10), ticker="AAPL"))
    assert isinstance(answer, Rejection)
    assert (answer.code, answer.reason[-1]) == (code, ".")


def test_an_account_without_equity_gets_nothing_and_holds_nobody_back() -> None:
    assert divided(group(A, clients(-5_000, 50_000, 100_000, of="available")), 300) == [0, 100, 200]


def decided(
    seen: SeenGroup, action: str, quantity: int | None, guards: Guards = NO_GUARDS, **terms: Any
) -> Plan | Rejection:
    held = sum((client.position for client in seen.clients), Decimal(0))
    shown = snapshot(held, group=seen, quote=quote("99", "101"), available_funds=Decimal(1_000_000))
    return decide(message(action, quantity), Terms(**terms), shown, NOW, guards=guards)


def test_a_group_divides_a_share_in_lots_by_whole_lots_only() -> None:
    held = clients(10_000, 10_000, of="available", position=Decimal(100))
    toyota = Contract(instrument=Instrument(ticker="TSE:7203"), conid=7, currency="JPY")
    symbol = symbols.read("TSE:7203", symbols.Kind.STOCK, NOW)

    def answer(action: str, quantity: int | None, seen: SeenGroup, position: int) -> Plan | Rejection:
        rules = ContractRules(size_step=100)
        values = {"rates": {"JPY": Decimal("0.0065")}, "available_funds": Decimal(1_000_000)}
        shown = snapshot(position, contract=toyota, rules=rules, group=seen, **values)
        return decide(message(action, quantity, symbol=symbol), Terms(), shown, NOW)

    flat = group(E, clients(10_000, 10_000, of="available"))
    assert isinstance(answer("buy", 200, flat, 0), Plan)
    odd = answer("buy", 300, flat, 0)
    assert isinstance(odd, Rejection)
    assert odd.reason.startswith("TSE:7203 trades in lots of 100, and the accounts of family would get 150 and 150.")
    part = answer("exit", 100, group(E, held), 200)
    assert isinstance(part, Rejection)
    assert (part.rule, part.code) == ("S10", "quantity-not-in-lots")
    assert isinstance(answer("exit", None, group(E, held), 200), Plan)


FOUR = clients(10_000, 10_000, 10_000, 10_000, of="available")


def test_an_entry_is_one_order_with_group_and_method_and_says_who_gets_how_many() -> None:
    plan = decided(group(E, FOUR), "buy", 10)
    assert isinstance(plan, Plan)
    [entry] = plan.intents
    assert entry.quantity == 10
    assert entry.allocation == Allocation(group="family", method="EqualQuantity")
    assert [int(share.quantity) for share in plan.shares] == [3, 3, 2, 2]
    assert plan.reason.endswith("Divided by equal quantity among family: A 3, B 3, C 2, D 2.")


def test_the_legs_of_an_entry_follow_in_each_account_for_what_it_got() -> None:
    asked = message("buy", 8, stop_loss=bracket("stopPrice", 90), take_profit=bracket("limitPrice", 120))
    shown = snapshot(0, group=group(E, FOUR), quote=quote("99", "101"), available_funds=Decimal(1_000_000))
    plan = decide(asked, Terms(), shown, NOW)
    assert isinstance(plan, Plan)
    [entry] = plan.intents
    assert entry.allocation == Allocation(group="family", method="EqualQuantity")
    assert [(leg.role, leg.release, leg.allocation) for leg in entry.then] == [
        ("stop_loss", "by_account", None),
        ("take_profit", "by_account", None),
    ]
    assert plan.reason.endswith(" Stop and target follow in each account for what it got, once its fills are here.")
    alone = decide(message("buy", 8, stop_loss=bracket("stopPrice", 90)), Terms(), shown, NOW)
    assert " The stop follows in each account" in alone.reason


def with_targets(quantity: int, *rungs: Rung, **values: Any) -> Plan:
    """An entry with a stop at 90 and these targets, for four accounts by equal quantity."""
    asked = message("buy", quantity, stop_loss=bracket("stopPrice", 90), take_profit=Ladder(rungs), **values)
    shown = snapshot(0, group=group(E, FOUR), quote=quote("99", "101"), available_funds=Decimal(1_000_000))
    plan = decide(asked, Terms(), shown, NOW)
    assert isinstance(plan, Plan), plan
    return plan


def rung(price: int, percent: str | None = None, quantity: int | None = None) -> Rung:
    return Rung(
        target=bracket("limitPrice", price),
        percent=None if percent is None else Decimal(percent),
        quantity=None if quantity is None else Decimal(quantity),
    )


def test_several_targets_of_a_group_are_rounded_in_each_account_and_leave_as_one_entry() -> None:
    plan = with_targets(10, rung(110, "50"), rung(120, "50"))
    [entry] = ladder.as_sent(plan.intents)
    # Three, three, two and two: one and two of three each, and one and one of two.
    assert [(leg.role, leg.release, int(leg.quantity), leg.share) for leg in entry.then] == [
        ("stop_loss", "by_account", 10, None),
        ("take_profit", "by_account", 4, Decimal("0.5")),
        ("take_profit", "by_account", 6, Decimal("0.5")),
    ]
    assert (
        " Targets, rounded in each account: 4 at 110, 6 at 120. Stop and targets follow in each account" in plan.reason
    )


def test_quantities_of_targets_are_of_the_whole_group() -> None:
    [entry] = with_targets(100, rung(110, quantity=20), rung(120, quantity=40)).intents
    assert [(int(leg.quantity), leg.share) for leg in entry.then[1:]] == [(20, Decimal("0.2")), (40, Decimal("0.4"))]


def test_thirds_leave_nothing_over_in_any_account() -> None:
    plan = with_targets(12, rung(110), rung(120), rung(130))
    [entry] = plan.intents
    assert [int(leg.quantity) for leg in entry.then[1:]] == [4, 4, 4]
    assert rungs.cut(Decimal(3), legs.shares_of(entry.then), Decimal(1)) == (Decimal(1),) * 3


def test_an_account_with_too_few_units_for_each_target_is_named() -> None:
    plan = with_targets(5, rung(110, "50"), rung(120, "50"))
    assert (
        "Targets, rounded in each account: 1 at 110, 4 at 120. Too few for each target: B none at 110, C none at 110 and D "
        "none at 110."
    ) in plan.reason
    [entry] = with_targets(4, rung(110, "50"), rung(120, "50")).intents
    assert [(int(leg.quantity), leg.share) for leg in entry.then[1:]] == [(4, Decimal(1))], "nobody gets the other"


def test_a_smaller_approval_parts_the_targets_anew() -> None:
    plan = with_targets(10, rung(110, "50"), rung(120, "50"))
    shown = snapshot(0, group=group(E, FOUR), quote=quote("99", "101"), available_funds=Decimal(1_000_000))
    answer = smaller(plan, Decimal(8), shown, NOW, None)
    assert isinstance(answer, Plan)
    assert [int(leg.quantity) for leg in answer.intents[0].then] == [8, 4, 4]
    assert answer.reason.count("Targets, rounded in each account: 4 at 110, 4 at 120.") == 1


def held(*positions: int) -> SeenGroup:
    return group(E, clients(*positions, of="position", available=Decimal(10_000)))


@pytest.mark.parametrize(
    ("positions", "quantity", "expected"),
    [
        ((10, 2, 0), None, {"A": 10, "B": 2}),
        ((10, 2, 0), 6, {"A": 5, "B": 1}),
        ((-4, -4), None, {"A": 4, "B": 4}),
    ],
)
def test_a_way_out_is_an_order_for_each_account_by_what_it_holds(
    positions: tuple[int, ...], quantity: int | None, expected: dict[str, int]
) -> None:
    plan = decided(held(*positions), "exit", quantity)
    assert isinstance(plan, Plan)
    assert {intent.account_id: int(intent.quantity) for intent in plan.intents} == expected
    assert all(intent.allocation is None for intent in plan.intents)


def test_accounts_that_hold_both_ways_are_a_persons_to_close() -> None:
    for action in ("exit", "buy"):
        answer = decided(held(10, -4), action, 6, allow_add=True)
        assert isinstance(answer, Rejection)
        assert (answer.rule, answer.code) == ("B13", "group-held-both-ways")


def test_the_second_half_of_a_flip_does_not_follow_by_itself() -> None:
    plan = decided(held(5, 5), "sell", 20, allow_swap=True)
    assert isinstance(plan, Plan)
    assert drawn(plan) == "exit sell 5 | exit sell 5"
    assert "No entry follows" in plan.reason


@pytest.mark.parametrize(
    ("guards", "action", "code"),
    [
        (Guards(halt=Halt.ENTRIES, halted_by="alice"), "buy", "trading-halted"),
        (Guards(levels=(LevelGuard(level=Level.ACCOUNT, restricted=("AAPL",)),)), "buy", "ticker-restricted"),
        (Guards(levels=(LevelGuard(level=Level.ACCOUNT, max_quantity=Decimal(2)),)), "buy", "quantity-over-limit"),
        (Guards(levels=(LevelGuard(level=Level.ACCOUNT, max_amount=Decimal(250)),)), "buy", "amount-over-limit"),
        (Guards(levels=(LevelGuard(level=Level.ACCOUNT, max_position=Decimal(2)),)), "buy", "position-over-limit"),
    ],
)
def test_limits_and_stops_hold_for_each_account_of_the_group(guards: Guards, action: str, code: str) -> None:
    answer = decided(group(E, FOUR), action, 10, Guards(clients=(("B", guards),)))
    assert isinstance(answer, Rejection)
    assert answer.code == code
    assert answer.reason.startswith("B of family is held back. ")
    # C gets two of ten: its own limit of two lets it.
    allowed = Guards(levels=(LevelGuard(level=Level.ACCOUNT, max_quantity=Decimal(2)),))
    assert isinstance(decided(group(E, FOUR), action, 10, Guards(clients=(("C", allowed),))), Plan)


def test_a_full_stop_of_an_account_holds_its_way_out() -> None:
    stopped = Guards(clients=(("A", Guards(halt=Halt.EVERYTHING, halted_by="alice")),))
    answer = decided(held(10, 2), "exit", None, stopped)
    assert isinstance(answer, Rejection)
    assert answer.code == "trading-halted"
    assert isinstance(decided(held(0, 2), "exit", None, stopped), Plan)


def test_an_approver_who_takes_less_divides_less() -> None:
    seen = group(E, FOUR)
    plan = decided(seen, "buy", 10)
    assert isinstance(plan, Plan)
    shown = snapshot(0, group=seen, quote=quote("99", "101"), available_funds=Decimal(1_000_000))
    less = smaller(plan, Decimal(8), shown, NOW, None)
    assert isinstance(less, Plan)
    assert [int(share.quantity) for share in less.shares] == [2, 2, 2, 2]
    assert isinstance(smaller(plan, Decimal(3), shown, NOW, None), Rejection)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=6),
    st.integers(1, 120) | st.none(),
)
@settings(max_examples=60)
def test_no_account_ever_leaves_with_more_than_it_holds(books: list[tuple[int, int]], asked: int | None) -> None:
    """Each account with what it holds and what of it a working exit takes already."""
    members, orders = [], []
    for letter, (position, exits) in zip("ABCDEF", books, strict=False):
        taken = Decimal(min(position, exits))
        leaving = ((f"out-{letter}", taken),) if taken else ()
        members.append(Client(account_id=letter, position=Decimal(position), leaving=leaving))
        orders += [working("exit", "sell", int(taken), f"out-{letter}") for _ in leaving]
    seen = group(E, tuple(members))
    held_by_all = sum((client.position for client in members), Decimal(0))
    shown = snapshot(held_by_all, *orders, group=seen, quote=quote("99", "101"))
    shape_ = {"order": shape("limit", limit="200")}
    answer = decide(message("exit", asked, **shape_), Terms(), shown, NOW)
    if isinstance(answer, Rejection):
        return
    leaves = {letter: Decimal(0) for letter in "ABCDEF"}
    for intent in answer.intents:
        leaves[intent.account_id] += intent.quantity
    free = {each.account_id: each.position - sum(rest for _, rest in each.leaving) for each in members}
    assert all(leaves[letter] <= most for letter, most in free.items())
    total = sum(free.values(), Decimal(0))
    assert sum(leaves.values()) == (total if asked is None else min(Decimal(asked), total))


def test_what_a_working_exit_of_one_account_takes_is_not_sold_twice() -> None:
    a = Client(account_id="A", position=Decimal(5))
    b = Client(account_id="B", position=Decimal(10), leaving=(("b-out", Decimal(5)),))
    shown = snapshot(15, working("exit", "sell", 5, "b-out"), group=group(E, (a, b)), quote=quote("99", "101"))
    plan = decide(message("exit", order=shape("limit", limit="200")), Terms(), shown, NOW)
    assert isinstance(plan, Plan)
    assert {intent.account_id: int(intent.quantity) for intent in plan.intents} == {"A": 5, "B": 5}


def protected(*positions: int) -> tuple[SeenGroup, list[WorkingOrder]]:
    """Accounts A, B, C … that hold so many, each with a stop and a target of its own."""
    members, orders = [], []
    for letter, position in zip("ABCDEF", positions, strict=False):
        stop, target = f"stop-{letter}", f"target-{letter}"
        orders += [
            working("stop_loss", "sell", position, stop, "stop", stop_price=Decimal(95), ticket=letter),
            working("take_profit", "sell", position, target, limit_price=Decimal(120), ticket=letter, parent=stop),
        ]
        members.append(Client(account_id=letter, position=Decimal(position), orders=(stop, target)))
    return group(E, tuple(members)), orders


def of_protected(action: str, quantity: int | None, *positions: int, **values: Any) -> Plan | Rejection:
    seen, orders = protected(*positions)
    shown = snapshot(sum(positions), *orders, group=seen, quote=quote("99", "101"), average_cost=Decimal(97))
    return decide(message(action, quantity, **values), Terms(), shown, NOW)


def test_a_part_leaves_each_account_and_its_own_legs_shrink_by_it() -> None:
    plan = of_protected("exit", 12, 12, 6)
    assert isinstance(plan, Plan)
    assert drawn(plan) == "stop-A to 4 | target-A to 4 | stop-B to 2 | target-B to 2 | exit sell 8 | exit sell 4"
    assert [intent.account_id for intent in plan.intents] == ["A", "B"]
    # Of an account that is left with nothing the legs are canceled.
    plan = of_protected("exit", 3, 3, 1)
    assert isinstance(plan, Plan)
    assert {intent.account_id: int(intent.quantity) for intent in plan.intents} == {"A": 2, "B": 1}
    assert plan.cancels == ("stop-B", "target-B")
    assert [(each.reference, int(each.quantity)) for each in plan.resizes] == [("stop-A", 1), ("target-A", 1)]


def test_an_exit_of_all_cancels_the_legs_of_each_account() -> None:
    for everything in (None, 18, 30):
        plan = of_protected("exit", everything, 12, 6)
        assert isinstance(plan, Plan)
        assert drawn(plan) == "cancel stop-A target-A stop-B target-B | exit sell 12 | exit sell 6"


def test_break_even_stands_in_each_account_for_what_it_holds() -> None:
    plan = of_protected("breakeven", None, 12, 6, order=shape("stop"))
    assert isinstance(plan, Plan)
    assert plan.cancels == ("stop-A", "target-A", "stop-B", "target-B")
    placed = [(each.account_id, int(each.quantity), each.stop_price) for each in plan.intents]
    assert placed == [("A", 12, Decimal(97)), ("B", 6, Decimal(97))]
    assert [[(leg.account_id, int(leg.quantity)) for leg in each.then] for each in plan.intents] == [
        [("A", 12)],
        [("B", 6)],
    ]


def test_a_signal_moves_the_stop_and_the_target_of_each_account() -> None:
    plan = of_protected(
        "modify", None, 12, 6, stop_loss=bracket("stopPrice", 96), take_profit=bracket("limitPrice", 130)
    )
    assert isinstance(plan, Plan)
    changed = {each.reference: (each.stop_price, each.limit_price) for each in plan.modifications}
    assert changed == {
        "stop-A": (Decimal(96), None),
        "stop-B": (Decimal(96), None),
        "target-A": (None, Decimal(130)),
        "target-B": (None, Decimal(130)),
    }


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(1, 300))
@settings(max_examples=60)
def test_the_legs_of_an_account_never_close_more_than_it_keeps(positions: list[int], asked: int) -> None:
    plan = of_protected("exit", asked, *positions)
    assert isinstance(plan, Plan)
    sizes = {each.reference: int(each.quantity) for each in plan.resizes}
    leaves = {intent.account_id: int(intent.quantity) for intent in plan.intents}
    assert sum(leaves.values()) == min(asked, sum(positions))
    for letter, position in zip("ABCDEF", positions, strict=False):
        for leg in (f"stop-{letter}", f"target-{letter}"):
            size = 0 if leg in plan.cancels else sizes.get(leg, position)
            assert size == position - leaves.get(letter, 0)


def test_what_an_account_that_left_may_hold_unseen_is_said_and_stays() -> None:
    plan = decided(group(E, (*held(10, 2).clients, Client(account_id="C", former=True))), "exit", None)
    assert isinstance(plan, Plan)
    assert [intent.account_id for intent in plan.intents] == ["A", "B"]
    assert plan.reason.endswith(" C left family and cannot be seen now: what it bought there stays.")


def test_fractions_leave_as_fractions_and_never_more_than_is_held() -> None:
    fractions = clients(1, 2, of="position")
    half = (replace(fractions[0], position=Decimal("0.5")), fractions[1])
    plan = decided(group(E, half), "exit", 1)
    assert isinstance(plan, Plan)
    assert all(intent.quantity <= abs(client.position) for intent, client in zip(plan.intents, half, strict=True))


def test_an_account_that_left_the_group_gets_nothing_and_still_leaves() -> None:
    members = (*clients(10_000, 10_000, of="available"), Client(account_id="C", position=Decimal(3), former=True))
    bought = decided(group(E, members), "buy", 4, allow_add=True)
    assert isinstance(bought, Plan)
    assert [share.account_id for share in bought.shares] == ["A", "B"]
    sold = decided(group(E, members), "exit", None)
    assert isinstance(sold, Plan)
    assert [(intent.account_id, int(intent.quantity)) for intent in sold.intents] == [("C", 3)]
