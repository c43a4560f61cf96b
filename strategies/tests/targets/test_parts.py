"""Several targets of one entry: their parts, their order, and the orders that they leave as."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from brokers.domain.contracts.rules import ContractRules
from brokers.domain.orders import AssetClass, Contract, Instrument, MoveTo, Role, StopMove
from brokers.domain.snapshot import Snapshot
from strategies.domain.decide.decide import decide
from strategies.domain.message import options, symbols
from strategies.domain.message.message import Bracket, Ladder, Message, Rung
from strategies.domain.message.wishes import NO_WISH
from strategies.domain.plan.approval import smaller
from strategies.domain.plan.ladders import ladder
from strategies.domain.plan.plan import Plan, Rejection
from strategies.domain.terms.terms import QuantityType, Terms
from strategies.tests.domain.cases_of_decide import NOW, bracket, drawn, message, quote, shape, snapshot, working

D = Decimal
STOP = bracket("stopPrice", 95, "stop")
BOOK = snapshot(quote=quote("100", "100", "100"))


def rung(price: str | int, mode: str = "limitPrice", **part: str | int) -> Rung:
    return Rung(target=bracket(mode, price), **{name: D(value) for name, value in part.items()})


def targets(*rungs: Rung) -> Ladder:
    return Ladder(rungs)


THREE = targets(rung(105, percent=30), rung(110, percent=30), rung(115, percent=40))


def asked(quantity: int = 10, **values: Any) -> Message:
    return message("buy", quantity, **{"stop_loss": STOP, "take_profit": THREE, **values})


def planned(asked: Message, book: Snapshot = BOOK, terms: Terms | None = None) -> Plan:
    answer = decide(asked, terms or Terms(), book, NOW)
    assert isinstance(answer, Plan), answer
    return answer


def refused(asked: Message, book: Snapshot = BOOK, terms: Terms | None = None) -> Rejection:
    answer = decide(asked, terms or Terms(), book, NOW)
    assert isinstance(answer, Rejection), answer
    return answer


def sent(plan: Plan) -> str:
    return drawn(replace(plan, intents=ladder.as_sent(plan.intents)))


def test_an_entry_with_three_targets_leaves_as_three_each_with_its_part_of_the_stop() -> None:
    plan = planned(asked())
    assert drawn(plan) == (
        "entry buy 10 + stop_loss sell 10 stop 95 + take_profit sell 3 limit 105 + take_profit sell 3 limit 110"
        " + take_profit sell 4 limit 115"
    )
    assert sent(plan) == (
        "entry buy 3 + stop_loss sell 3 stop 95 + take_profit sell 3 limit 105"
        " | entry buy 3 + stop_loss sell 3 stop 95 + take_profit sell 3 limit 110"
        " | entry buy 4 + stop_loss sell 4 stop 95 + take_profit sell 4 limit 115"
    )
    assert plan.reason == (
        "Open long with 10 shares of AAPL. Targets: 3 at 105, 3 at 110, 4 at 115. It leaves as 3 orders, each with its part of "
        "the stop."
    )


def test_what_the_targets_leave_stays_under_the_stop_alone() -> None:
    plan = planned(asked(take_profit=targets(rung(105, percent=25), rung(110, percent=25))))
    assert sent(plan) == (
        "entry buy 2 + stop_loss sell 2 stop 95 + take_profit sell 2 limit 105"
        " | entry buy 2 + stop_loss sell 2 stop 95 + take_profit sell 2 limit 110"
        " | entry buy 6 + stop_loss sell 6 stop 95"
    )
    assert "Targets: 2 at 105, 2 at 110, 6 without one." in plan.reason


def test_a_target_whose_part_is_less_than_one_is_left_out_and_said_so() -> None:
    plan = planned(asked(1))
    assert sent(plan) == "entry buy 1 + stop_loss sell 1 stop 95 + take_profit sell 1 limit 115"
    assert plan.reason.endswith("Targets: 1 at 115. 2 more are left out, since each part is less than 1 share.")
    plan = planned(asked(3, take_profit=targets(rung(105, percent=20), rung(110, percent=80))))
    assert plan.reason.endswith("Targets: 3 at 110. One more is left out, since its part is less than 1 share.")


PARTS: list[tuple[Ladder, int, list[int]]] = [
    (targets(rung(1), rung(2), rung(3)), 10, [3, 3, 4]),
    (targets(rung(1, percent=50), rung(2), rung(3)), 10, [5, 2, 3]),
    (targets(rung(1, quantity=4), rung(2)), 10, [4, 6]),
    (targets(rung(1, quantity=4), rung(2, quantity=2)), 10, [4, 2]),
    (targets(rung(1, percent="33.333333333"), rung(2, percent="33.333333333"), rung(3, percent="33.333333334")), 3, [1, 1, 1]),
    (targets(rung(1, percent="0.1")), 100, [0]),
    (targets(rung(1, percent=50), rung(2, percent=50)), 1, [0, 1]),
]  # fmt: skip


@pytest.mark.parametrize(("asked_for", "total", "expected"), PARTS)
def test_parts_are_whole_and_the_last_of_all_takes_the_rest(asked_for: Ladder, total: int, expected: list[int]) -> None:
    assert ladder.parts(asked_for, D(total), D(1)) == tuple(map(D, expected))


@given(
    total=some.integers(1, 10_000),
    step=some.sampled_from(["1", "100", "0.25", "0.001", "0.07"]),
    percents=some.lists(some.decimals("0.01", 60, places=2), min_size=1, max_size=5),
)
def test_parts_are_on_the_step_and_never_more_than_the_entry(total: int, step: str, percents: list[Decimal]) -> None:
    of_each, whole = D(step), total * D(step)
    rungs = targets(*(rung(place, percent=str(each)) for place, each in enumerate(percents, 1)))
    parts = ladder.parts(rungs, whole, of_each)
    if sum(percents) > 100:
        assert parts is None
        return
    assert parts is not None
    assert all(part >= 0 and part % of_each == 0 for part in parts)
    assert sum(parts) <= whole
    if sum(percents) == 100:
        assert sum(parts) == whole


def test_a_lot_is_the_step_of_shares_that_trade_in_lots() -> None:
    tokyo = symbols.read("TSE:7203", symbols.Kind.STOCK, NOW)
    assert tokyo.instrument() is not None
    contract = Contract(instrument=tokyo.instrument(), conid=1, exchange="TSEJ", currency="JPY", tick=D(1))  # type: ignore[arg-type]
    book = snapshot(
        contract=contract,
        quote=quote("100", "100", "100"),
        rules=ContractRules(size_step=100),
        rates={"JPY": D("0.01")},
    )
    plan = planned(asked(1000, symbol=tokyo, take_profit=targets(rung(105), rung(110), rung(115))), book)
    assert [each.quantity for each in ladder.as_sent(plan.intents)] == [D(300), D(300), D(400)]


REFUSED: list[tuple[str, Message, str]] = [
    ("wrong side", asked(take_profit=targets(rung(99), rung(110))), "bracket-on-wrong-side"),
    ("doubled", asked(take_profit=targets(rung(105), rung(105))), "target-doubled"),
    ("doubled on the tick", asked(take_profit=targets(rung("105.001"), rung("105.004"))), "target-doubled"),
    ("out of order", asked(take_profit=targets(rung(110), rung(105))), "targets-out-of-order"),
    ("out of order, mixed", asked(take_profit=targets(rung(110), rung(5, "percent"))), "targets-out-of-order"),
    ("more than the entry", asked(take_profit=targets(rung(105, quantity=6), rung(110, quantity=5))), "targets-over-entry"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "said", "code"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_targets_that_cannot_stand_send_nothing(case: str, said: Message, code: str) -> None:
    answer = refused(said)
    assert answer.code == code
    assert answer.reason.count(". ") <= 1, case
    assert answer.reason.endswith(".")


def test_a_short_has_its_targets_below() -> None:
    below = targets(rung(95, percent=50), rung(90, percent=50))
    sold = message("sell", 4, stop_loss=bracket("stopPrice", 105, "stop"), take_profit=below)
    assert sent(planned(sold)).count("take_profit buy 2 limit 9") == 2
    upside_down = replace(sold, take_profit=targets(rung(90), rung(95)))
    assert refused(upside_down).code == "targets-out-of-order"


def test_a_profit_in_money_is_that_of_the_part_itself() -> None:
    money = targets(rung(30, "pnlAmount", percent=30), rung(140, "pnlAmount", percent=70))
    assert "3 limit 110" in drawn(planned(asked(take_profit=money)))
    assert "7 limit 120" in drawn(planned(asked(take_profit=money)))


def test_the_multiplier_holds_for_the_parts_of_a_signal_too() -> None:
    counted = targets(rung(105, quantity=4), rung(110, quantity=6))
    plan = planned(asked(10, take_profit=counted), terms=Terms(quantity_multiplier=D("0.5")))
    assert [each.quantity for each in ladder.as_sent(plan.intents)] == [2, 3]
    own = Terms(quantity_multiplier=D("0.5"), take_profit=targets(rung(5, "amount", quantity=4), rung(9, "amount")))
    plan = planned(asked(10, take_profit=None), terms=own)
    assert [each.quantity for each in ladder.as_sent(plan.intents)] == [4, 1]


def test_a_flip_enters_by_parts_once_the_exit_has_filled() -> None:
    book = snapshot(-5, quote=quote("100", "100", "100"))
    plan = planned(asked(6, take_profit=targets(rung(105), rung(110))), book, Terms(allow_swap=True))
    assert sent(plan) == (
        "exit buy 5 > entry buy 3 + stop_loss sell 3 stop 95 + take_profit sell 3 limit 105"
        " > entry buy 3 + stop_loss sell 3 stop 95 + take_profit sell 3 limit 110"
    )


def test_a_smaller_approval_keeps_the_shares_of_the_targets() -> None:
    plan = smaller(planned(asked(10)), D(5), BOOK, NOW, None)
    assert isinstance(plan, Plan)
    assert [each.quantity for each in ladder.as_sent(plan.intents)] == [1, 1, 3]
    plan = smaller(planned(asked(10)), D(1), BOOK, NOW, None)
    assert isinstance(plan, Plan)
    assert sent(plan) == "entry buy 1 + stop_loss sell 1 stop 95 + take_profit sell 1 limit 115"


def test_one_target_is_one_order_as_before() -> None:
    plan = planned(asked(take_profit=bracket("limitPrice", 110)))
    assert ladder.as_sent(plan.intents) == plan.intents
    assert "Targets" not in plan.reason


def test_an_option_takes_one_target() -> None:
    name = "SPY 261218C640"
    symbol = options.read(name, NO_WISH, NOW)
    contract = Contract(
        instrument=Instrument(ticker=name, asset_class=AssetClass.OPTION), conid=7, multiplier=D(100), tick=D("0.01")
    )
    book = snapshot(contract=contract, quote=quote("10", "10", "10"), available_funds=D(100_000))
    two = targets(rung(12), rung(14))
    bought = message("buy", 4, symbol=symbol, stop_loss=bracket("stopPrice", 8, "stop"), take_profit=two)
    assert refused(bought, book).code == "targets-of-option"
    assert sent(planned(replace(bought, quantity=D(1)), book)).startswith("entry buy 1 +")


def test_the_money_of_an_entry_is_that_of_all_its_parts() -> None:
    """Each part alone would pass."""
    book = replace(BOOK, available_funds=D(600), account_type="cash")
    assert refused(asked(10), book).code == "insufficient_buying_power"


def test_a_later_entry_replaces_all_the_parts_of_one_that_works() -> None:
    parts = [
        each
        for number in range(3)
        for each in (
            working("entry", "buy", 3, f"e{number}", limit_price=D(90), mine=True),
            working("stop_loss", "sell", 3, f"s{number}", "stop", stop_price=D(80), parent=f"e{number}"),
        )
    ]
    plan = planned(asked(order=shape("limit", limit="98")), snapshot(0, *parts, quote=quote("100", "100", "100")))
    assert set(plan.cancels) == {"e0", "s0", "e1", "s1", "e2", "s2"}


def test_a_partial_exit_cuts_the_parts_that_are_held() -> None:
    parts = [
        working(
            role, "sell", 3, f"{role[0]}{number}", kind, parent=f"e{number}", **{price: D(95 + 10 * (kind == "limit"))}
        )
        for number in range(3)
        for role, kind, price in (("stop_loss", "stop", "stop_price"), ("take_profit", "limit", "limit_price"))
    ]
    plan = planned(message("exit", 4), snapshot(9, *parts, quote=quote("100", "100", "100")))
    left = {"s0", "s1", "s2"} - set(plan.cancels)
    sizes = {each.reference: each.quantity for each in plan.resizes}
    assert sum(sizes.get(each, D(3)) for each in left) == 5


def test_an_amount_sized_entry_is_cut_after_it_is_sized() -> None:
    sized = asked(1050, quantity_type=str(QuantityType.AMOUNT))
    assert [each.quantity for each in ladder.as_sent(planned(sized).intents)] == [3, 3, 4]
    assert {leg.role for leg in planned(sized).intents[0].then} == {Role.STOP_LOSS, Role.TAKE_PROFIT}


def test_each_part_pays_its_own_fee_and_the_money_is_checked_once() -> None:
    book = replace(BOOK, available_funds=D(5000), account_type="margin")
    whole = planned(asked(10, take_profit=bracket("limitPrice", 110)), book)
    plan = planned(asked(10), book)
    assert whole.estimates[0].fee is not None
    assert plan.estimates[0].fee == 3 * whole.estimates[0].fee
    assert sum(each.estimated_fee or 0 for each in ladder.as_sent(plan.intents)) == plan.estimates[0].fee
    assert plan.estimates[0].margin == whole.estimates[0].margin


def moving(to: MoveTo = MoveTo.BREAK_EVEN, by: str = "0", after: int = 1, kind: str = "stop") -> Bracket:
    limit = "94" if kind == "stop_limit" else None
    return replace(bracket("stopPrice", 95, kind, limit), moves=StopMove(after=after, to=to, by=D(by)))


def test_a_stop_that_moves_says_so_and_every_part_of_it_has_the_rule() -> None:
    plan = planned(asked(stop_loss=moving(by="0.1", after=2)))
    assert plan.reason.endswith("Once 2 targets have filled, the stop goes 0.1 beyond break-even.")
    stops = [leg for part in ladder.as_sent(plan.intents) for leg in part.then if leg.role is Role.STOP_LOSS]
    assert [stop.moves for stop in stops] == 3 * [StopMove(after=2, to=MoveTo.BREAK_EVEN, by=D("0.1"))]


def test_a_stop_that_would_move_after_more_targets_than_there_are_stays_and_says_so() -> None:
    plan = planned(asked(1, stop_loss=moving(after=2)))
    assert plan.reason.endswith("The stop does not move: there is no target 2.")
    assert plan.intents[0].then[0].moves is None


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (moving(kind="stop_limit"), None),
        (moving(MoveTo.TRAIL_PERCENT, "2", kind="stop_limit"), "stop-does-not-move"),
        (replace(bracket("trailAmount", 5, "trailing_stop"), moves=moving().moves), "stop-does-not-move"),
    ],
)
def test_a_stop_that_cannot_move_sends_nothing(stop: Bracket, code: str | None) -> None:
    answer = decide(asked(stop_loss=stop), Terms(), BOOK, NOW)
    assert getattr(answer, "code", None) == code


def test_quantities_that_make_the_sent_entry_make_the_one_that_the_terms_cut() -> None:
    each = targets(rung(105, quantity=1), rung(110, quantity=1), rung(115, quantity=1))
    for times, expected in (("0.5", [1]), ("1.5", [1, 1, 2]), ("2", [2, 2, 2])):
        plan = planned(asked(3, take_profit=each), terms=Terms(quantity_multiplier=D(times)))
        assert [part.quantity for part in ladder.as_sent(plan.intents)] == expected
    over = targets(rung(105, quantity=2), rung(110, quantity=2))
    assert refused(asked(3, take_profit=over), terms=Terms(quantity_multiplier=D(5))).code == "targets-over-entry"


def test_a_move_beyond_its_own_target_sends_nothing() -> None:
    near = targets(rung(2, "amount"), rung(10, "amount"))
    assert refused(asked(take_profit=near, stop_loss=moving(by="3"))).code == "move-beyond-target"
    assert refused(asked(take_profit=near, stop_loss=moving(by="2"))).code == "move-beyond-target"
    assert planned(asked(take_profit=near, stop_loss=moving(by="3", after=2))).rule == "D01"


def test_a_move_without_several_targets_is_told() -> None:
    for profit in (None, bracket("limitPrice", 110)):
        plan = planned(asked(take_profit=profit, stop_loss=moving()))
        assert plan.reason.endswith("The stop does not move: that takes several targets.")
        assert all(leg.moves is None for leg in plan.intents[0].then)


def test_a_smaller_approval_says_the_new_parts_and_keeps_no_rule_for_targets_that_are_gone() -> None:
    plan = smaller(planned(asked(10, stop_loss=moving(after=2))), D(5), BOOK, NOW, None)
    assert isinstance(plan, Plan)
    assert plan.reason.endswith("Approved for 5 of 10. Targets then: 1 at 105, 1 at 110, 3 at 115.")
    assert plan.intents[0].then[0].moves is not None
    plan = smaller(planned(asked(10, stop_loss=moving(after=2))), D(1), BOOK, NOW, None)
    assert isinstance(plan, Plan)
    assert plan.intents[0].then[0].moves is None
