"""IBKR's texts about the life of an order: what it waits for, how it ended, why it was not changed or canceled."""

from __future__ import annotations

from brokers.ibkr.texts.text import Text

HELD: tuple[Text, ...] = (
    Text(
        "held-for-shares",
        r"locat(e|ing)\b|not immediately available",
        "IBKR locates shares to borrow and holds the order until then. Wait, or cancel it.",
    ),
    Text(
        "held-until-open",
        r"will (not )?be (placed|submitted|sent|routed|activated).{0,40}(until|at|when|on)|until the (open|market)|next (open|session)",
        "IBKR holds the order until its time comes. Wait, or cancel it.",
    ),
    Text(
        "held-for-review",
        r"under review|being reviewed|(compliance|manual|pending) review",
        "IBKR reviews the order before it works. Wait, or ask IBKR's support.",
    ),
    Text(
        "held-not-sent",
        r"not (yet )?(been )?transmitted|until (it is )?transmit|be transmitted|deactivated|order held|^held\b|is queued",
        "IBKR has the order and holds it back. Look at it in TWS, or cancel it.",
    ),
)

LEGS: tuple[Text, ...] = (
    Text(
        "leg-without-parent",
        r"parent order id.{0,80}(is ?n.t|not) recogni[sz]ed|(no|unknown|invalid) parent|parent.{0,20}not found|leg was refused",
        "IBKR did not take an order that was to travel with another one. "
        "Look whether the position is protected, and place what is missing.",
    ),
    Text(
        "parent-ended",
        r"parent order.{0,20}(was|has been|is) (being )?cancel",
        "It ended because the order that it belongs to ended. Nothing is to be done.",
    ),
)

ENDS: tuple[Text, ...] = (
    Text(
        "other-leg-filled",
        r"other leg|\bOCA\b|one[ -]cancels",
        "It ended because the other order of its pair has filled. Nothing is to be done.",
    ),
    Text(
        "question-declined",
        r"order not confirmed|not confirmed",
        "IBKR asked about the order, and Halyard did not confirm it, so nothing was done. "
        "Read the question on the order's page, and place it in TWS if it is wanted.",
    ),
    Text(
        "question-gone",
        r"reply id not found",
        "IBKR no longer knows the question that Halyard answered. Halyard looks for the order; do not place it by hand.",
    ),
    Text(
        "order-gone",
        r"order ?(id)? ?.{0,40}(does ?n.t|does not) exist|no such order|unknown order|order.{0,40}not found|(can.t|can ?not|unable to) find order"
        r"|already (been )?(filled|executed|cancel|completed?|closed|expired|done)|can ?not be cancell?ed,? (state|status)",
        "IBKR has no such working order any more. Halyard looks up how it ended; nothing is to be done.",
    ),
    Text(
        "order-not-canceled",
        r"(can.?t|can ?not|could not|unable to|not) (be )?cancel|cancel.{0,20}(reject|refus|denied)|not cancell?able",
        "IBKR did not cancel the order. Look at it in TWS, and cancel it there if it must not fill.",
    ),
    Text(
        "order-not-changed",
        r"(could ?n.t|can.?t|can ?not|could not|unable to|not) (be )?(modif|chang|edit)|not editable|modif.{0,20}(reject|refus|denied)",
        "IBKR did not change the order, which stays as it was. Cancel it and send a new one where that will not do.",
    ),
    Text(
        "corporate-action",
        r"corporate action|stock split|reverse split|spin-?off|\bmerger\b",
        "A corporate action ended the order, such as a split. Send it again with prices and quantity as they are now.",
    ),
    Text(
        "order-expired",
        r"order (has |was )?expired|expired (order|by)|end of (the )?day|time has expired",
        "The order worked as long as its time in force allowed, and did not fill. Send it again if it is still wanted.",
    ),
    Text(
        "canceled-by-ibkr",
        r"(by|by the|of the) (system|broker|ibkr)|system.{0,10}cancel",
        "IBKR's system canceled the order. Look at the account's messages in the Client Portal, "
        "and send it again if it is still wanted.",
    ),
    Text(
        "exchange-refused",
        r"order rejected|rejected by|reject(ed)? (from|at) (the )?exchange|destination",
        "The exchange or IBKR rejected the order. Read the reason in IBKR's words, and send the signal again once it is mended.",
    ),
)
