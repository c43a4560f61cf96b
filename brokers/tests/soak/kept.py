"""Schedules that failed once, the least of each, by the name of what was wrong."""

from __future__ import annotations

from brokers.tests.soak.schedules import (
    Bracket,
    ByHand,
    Cancel,
    Crash,
    Disturb,
    Fault,
    Flip,
    Move,
    Place,
    Schedule,
    Shrink,
    Wait,
)

KEPT: dict[str, Schedule] = {
    # Each look at IBKR's lists counted, and the stream had never spoken after the last of them.
    "what_never_arrived_stays_in_doubt": Schedule(
        (Fault("place_dropped_before"), Crash("lane", 25), Place("near", "sell", 3, ttl=600), Wait(35.0)), resends="all"
    ),
    # A cancel that was written down counted as asked for, whether it had left or not.
    "killed_before_a_cancel_leaves": Schedule((Place("far"), Wait(2.0), Crash("lane", 7), Cancel(0))),
    "killed_before_the_answer_to_a_cancel_is_read": Schedule((Place("far"), Wait(2.0), Crash("lane", 8), Cancel(0))),
    # The list that a lost cancel waits for was read under the connection's lock, without which no session opens again.
    "the_session_is_stolen_while_a_cancel_is_in_doubt": Schedule(
        (Place("far"), Wait(20.0), Fault("cancel_dropped_thrice"), Cancel(0), Wait(0.1), Disturb("stolen")),
        resends="never",
    ),
    # Orders that were filled by the stream's word had no executions where the stream did not bring those.
    "the_stream_tells_of_no_executions": Schedule((Fault("stream_without_fills"), Place(), Wait(2.5))),
    # A report without a reference may be of a leg of ours while one of ours is in doubt; nobody read it again afterwards.
    "somebody_places_an_order_while_one_of_ours_is_in_doubt": Schedule(
        (
            Disturb("stolen"),
            Wait(0.4),
            Fault("place_slow_after"),
            Place("near", "sell", 7, cancel=8),
            Wait(0.4),
            Fault("place_page_before"),
            ByHand("stop", "buy", 1),
            Wait(35.0),
        )
    ),
    # IBKR took an order, showed neither it nor its fill for a minute, and said at a cancel that it had none such.
    "filled_unseen_and_counted_as_canceled": Schedule(
        (
            Fault("place_hidden_for_a_minute"),
            Place("near", "sell", 9),
            Wait(0.4),
            Move(0, up=True),
            Wait(12.2),
            Fault("cancel_500_after"),
            Crash("lane", 28),
            Flip("sell", 9),
            Wait(35.0),
        ),
        resends="never",
    ),
    # Legs of a position that was gone were left alone while another entry worked in the contract.
    "somebody_closes_a_position_while_another_entry_works": Schedule(
        (
            Fault("stop_with_nothing_to_close"),
            Bracket("market", "buy", 8, ttl=600, missing="alarm"),
            Wait(12.6),
            Bracket("far", "buy", 8, missing="place_stop"),
        )
    ),
    "somebody_turns_a_position_round": Schedule(
        (
            Fault("modify_answers_another_number"),
            Shrink(3, 3),
            Wait(0.4),
            Fault("stop_too_large"),
            Bracket("market", "sell", 3, ttl=60, missing="flatten"),
            Wait(0.0),
            Fault("stop_too_large"),
            Bracket("far", "sell", 4, ttl=60, missing="place_stop"),
            Wait(0.02),
            Crash("lane", 0),
            Wait(0.02),
            Fault("place_and_another_signs_in"),
            ByHand("stop", "sell", 5),
            Wait(0.4),
        ),
        resends="all",
    ),
    # IBKR hid a filled entry and its fill, canceled its stop, and said at a cancel that it had no such order: believed, while
    # its list of positions showed what the entry had sold.
    "filled_unseen_and_its_stop_canceled": Schedule(
        (
            Fault("stop_canceled_at_once"),
            Fault("place_hidden_for_a_minute"),
            Bracket("market", "sell", 8, ttl=60, missing="flatten"),
            Wait(2.5),
        )
    ),
    # IBKR took the cancel of an order that it hid, and its day ended before its lists showed either again.
    "hidden_while_it_is_canceled_at_the_end_of_a_day": Schedule(
        (Fault("place_hidden_for_a_minute"), Place("stop", "buy", 1, cancel=8, ttl=15), Wait(0.4), Cancel(2)),
        weather="midnight",
    ),
    # The stop of an entry that worked on the other side counted as the one that a position had lost, for whoever looked by
    # the clock; and who had heard of the loss was killed.
    "its_stop_is_canceled_while_an_entry_to_the_other_side_works": Schedule(
        (
            Fault("stop_canceled_later"),
            Bracket("market", "buy", 1, missing="flatten"),
            Wait(2.9),
            Bracket("far", "sell", 1, ttl=600, missing="place_stop"),
            Wait(0.35),
            Crash("watch", 0),
            Wait(2.4),
        )
    ),
}
