"""IBKR's texts about orders: why it takes none; those about the life of an order that it took stand in `lives`.

The first pattern that a text shows counts, so what is special stands before what is general.
"""

from __future__ import annotations

from brokers.ibkr.texts.lives import ENDS, HELD, LEGS
from brokers.ibkr.texts.text import Text

_WHO: tuple[Text, ...] = (
    Text(
        "lite-account",
        r"\blite\b",
        "IBKR Lite accounts cannot trade through the API. Switch the account to IBKR Pro in the Client Portal.",
    ),
    Text(
        "account-not-available",
        r"account ?id is not valid|(invalid|unknown|unrecognized|wrong) (account|acct)|account.{0,40}(not (found|valid|available)|does ?n.t exist)"
        r"|account.{0,20}is not (one )?of|acctid (is )?(required|missing)|not authori[sz]ed for (this )?account",
        "IBKR lists no such account, or group of accounts, for this user. Compare its name with IBKR's list, "
        "and give the connection's IBKR user the right to trade it.",
    ),
    Text(
        "no-key-information",
        r"\bKIDs?\b|PRIIP|key information document",
        "IBKR may not sell this fund to private clients in Europe, because it has no key information document. "
        "Trade a European (UCITS) fund on the same index instead.",
    ),
    Text(
        "canada-restricted",
        r"canad(a|ian)|\bCIRO\b|\bIIROC\b",
        "IBKR takes no orders of programs for Canadian listings from residents of Canada. Place this one by hand in TWS.",
    ),
    Text(
        "pattern-day-trader",
        r"pattern.{0,5}day.{0,5}trad|\bPDT\b|day trades? (left|remaining|limit|restrict)|number of day trades",
        "IBKR takes no further day trade of an account below 25,000 USD. "
        "Wait for the next trading days, or bring the account above that sum.",
    ),
    Text(
        "closing-only",
        r"clos(e|ing)[ -](only|out only|(of )?(positions?|transactions?|trades?|orders?) only)|only.{0,30}\bclos(e|ing)\b"
        r"|(opening|new) (trades?|orders?|transactions?|positions?) (are|is|can ?not|may not|not)|no opening",
        "IBKR takes only orders that close a position here, because the product or the account is restricted. "
        "Ask IBKR's support why before you open more.",
    ),
    Text(
        "short-sale-restricted",
        r"short[ -]?sale? restrict|\buptick\b|\bSSR\b|rule 201|restricted (from|for) short",
        "A rule of the exchange restricts short sales of this stock today. Send a limit order above the bid, or wait a day.",
    ),
    Text(
        "short-sale-not-allowed",
        r"may not (sell|go|be sold) short|(can ?not|unable to) (sell|go) short|short (sell|sale|selling|position)s? (is|are) (not|prohibited)"
        r"|not (allowed|permitted|enabled) (to|for) short|cash account.{0,40}short|short.{0,40}cash account",
        "This account may not sell short. Trade the short side from a margin account, or close what is held first.",
    ),
    Text(
        "no-shares-to-borrow",
        r"(not|no longer|un) ?available (for short|to short|to borrow|for borrow)|no shares|hard to borrow|not shortable"
        r"|(could not|can ?not|can.t|unable to|failed to) (be |to be )?locate",
        "IBKR found no shares to borrow for this short sale. Try again later, or trade another stock.",
    ),
    Text(
        "account-restricted",
        r"account.{0,40}(restrict|closed|disabled|suspended|locked|frozen|not (yet )?(been )?(funded|approved|open)|pending approval)"
        r"|liquidation (only|mode)|margin (violation|call|deficit)|(trading|orders?) (is|are|has been) (disabled|suspended|blocked) for",
        "IBKR restricts this account at present. Look at its messages in the Client Portal, or ask IBKR's support.",
    ),
    Text(
        "no-trading-permission",
        r"(trading|market) permission|permission(s)? (to|for) trad|no permission|(not|in)(eligible| eligible| permitted)"
        r"|not (allowed|permitted|entitled|enabled|approved) (to|for) (trad|this (product|contract|instrument|security))|\bineligible\b",
        "This account lacks IBKR's permission to trade this product. Ask for it in the Client Portal "
        "(Settings, Trading Permissions), or trade it from an account that has it.",
    ),
    Text(
        "operator-missing",
        r"manual ?indicator|manual ?order ?indicator|ext ?operator|536-?B",
        "The exchange wants to know who answers for an automated order in futures, and IBKR missed it. "
        "Have whoever runs Halyard check the connection's operator; place the order in TWS meanwhile.",
    ),
)

_MONEY: tuple[Text, ...] = (
    Text(
        "not-enough-cash",
        r"settled cash|insufficient (settled |available )?(funds|cash)|(not|without) enough (settled )?(cash|funds|money)|cash (balance|available)",
        "The account has too little settled cash for this order. Send a smaller quantity, or wait until sales have settled.",
    ),
    Text(
        "leveraged-currency",
        r"leverag|idealpro|(negative|borrow).{0,20}(cash|currency)",
        "IBKR lends this account no currency for the order. Convert enough of it first, or send a smaller quantity.",
    ),
    Text(
        "not-enough-margin",
        r"margin|equity with loan|available funds|buying power|excess liquidity|insufficient|not enough",
        "The account lacks the margin that IBKR requires for this order. "
        "Send a smaller quantity, or free money by closing something first.",
    ),
)

_PRICES: tuple[Text, ...] = (
    Text(
        "price-off-tick",
        r"minimum (price )?variation|min(imum)?[ .]?tick|(price|tick) increment|tick size|does not conform|multiple of the tick",
        "The price is none of the steps that IBKR takes for this contract. Send it again with a price on such a step.",
    ),
    Text(
        "price-too-far",
        r"closer to the (current )?market|too far (from|away|off|through)|limit price you selected|percentage constraint"
        r"|price.{0,60}(outside|beyond|exceeds?|away from|too (high|low|aggressive))|price (cap|band|limit|collar)|limit (up|down)|\bLULD\b",
        "The price is too far from the market for IBKR or the exchange. Send a price nearer to the market.",
    ),
    Text(
        "stop-price-not-taken",
        r"(stop|trigger) price|trail(ing)? (amount|percent|stop)|trailing ?(amt|type)",
        "IBKR did not take the order's stop. Send one on the far side of the market, or another distance.",
    ),
    Text(
        "price-not-taken",
        r"order price|price fields|(invalid|missing|incorrect) (limit |aux )?price|price.{0,30}(required|missing|invalid|not valid|must)",
        "IBKR did not take the order's prices: one is missing, or none that the contract has. "
        "Check limitPrice and stopPrice of the signal, and send it again.",
    ),
)

_SIZES: tuple[Text, ...] = (
    Text(
        "fraction-not-taken",
        r"fraction|whole (number|shares?|unit)|(non-?|not an )integer|must be an? integer",
        "IBKR takes no fractions in this order. Send a whole quantity.",
    ),
    Text(
        "too-many-orders",
        r"(max(imum)?|too many|limit|more than).{0,40}\b(open|working|active|resting|live)? ?orders\b",
        "IBKR allows only so many working orders in a contract and on a side. Cancel some of them, and send this one again.",
    ),
    Text(
        "quantity-off-lot",
        r"round lot|lot size|odd lot|multiple of|(minimum|min) (order |trade )?(size|quantity|value)|below.{0,30}minimum|too small|size increment",
        "The quantity is none that IBKR takes in this contract. Send a multiple of its lot, and at least its minimum.",
    ),
    Text(
        "quantity-too-large",
        r"(exceed|above|over|greater|larger).{0,40}(max|size|limit|quantity)|(max|maximum)(imum)? (order )?(size|quantity|value)|size limit|too large"
        r"|total value limit|order (size|value).{0,30}exceed",
        "The order is larger than IBKR or the exchange takes at once. Send a smaller quantity, or several signals.",
    ),
    Text(
        "quantity-not-taken",
        r"(quantity|size).{0,30}(required|missing|invalid|not valid|must|zero)|invalid (order )?(quantity|size)",
        "IBKR did not take the order's quantity. Check the quantity of the signal and the sizing of the subscription.",
    ),
)

_TIMES: tuple[Text, ...] = (
    Text(
        "outside-hours-not-taken",
        r"outside ?(regular|rth)|extended[ -]hours|regular trading hours",
        "IBKR takes this order in regular hours only. Send it without extendedHours, or as a limit order.",
    ),
    Text(
        "auction-not-taken",
        r"auction|\b[ML]O[OC]\b|(market|limit)[ -]on[ -](open|close)|at the (open|close)\b|opening cross|closing cross",
        "The auction took no such order, or none any more. Send it before the auction's last minutes, or as an order of the day.",
    ),
    Text(
        "exchange-closed",
        r"(exchange|market|session).{0,20}(is|are) (currently )?closed|closed for trading|after (the )?(exchange|market) clos"
        r"|(not|isn.t) (currently )?open for trading|outside (of )?(market|exchange|trading) hours|not.{0,20}trading hours",
        "The exchange is closed for this order. Send it again when it is open.",
    ),
    Text(
        "trading-halted",
        r"\bhalt(ed|s)?\b|trading.{0,20}suspended|suspended from trading",
        "Trading in this contract is halted. Wait until it resumes, and send the signal again if it is still wanted.",
    ),
    Text(
        "time-in-force-not-taken",
        r"time.?in.?force|\btif\b",
        "IBKR does not take this time in force for the order. Send day or gtc as timeInForce, or leave it out.",
    ),
)

_CONTRACTS: tuple[Text, ...] = (
    Text(
        "close-to-delivery",
        r"physical(ly)? (deliver|settle)|clos(e|ing)[ -]?out (period|date)|close to (expir|deliver)|delivery (period|window|intent)|first notice",
        "The future is too close to its delivery for IBKR to take orders that open a position. Send the next month.",
    ),
    Text(
        "unknown-symbol",
        r"no symbol found|symbol.{0,30}(not found|unknown|invalid|not recogni[sz]ed)|(unknown|invalid) symbol",
        "IBKR knows no such symbol. Check the spelling of the ticker; class shares are written BRK.B.",
    ),
    Text(
        "contract-unknown",
        r"no sec(urity)? ?def|security definition|no contracts?\b|(invalid|unknown|ambiguous) contract|conid.{0,30}(invalid|not (found|valid)|unknown)"
        r"|contract.{0,40}(not (found|available|valid|recogni[sz]ed)|expired|no longer|does ?n.t exist)|has expired|is delisted",
        "IBKR does not know this contract any more: it has expired, or was renamed or replaced. "
        "Check the ticker, and the month of a future.",
    ),
)

_KINDS: tuple[Text, ...] = (
    Text(
        "order-type-not-taken",
        r"order ?type|(not|un) ?(supported|available|valid|allowed) for (combination|this (order|product|contract|exchange|instrument|security))"
        r"|combination is not supported|invalid order attribute",
        "IBKR does not take this kind of order for the product. Send another orderType; limit is taken nearly everywhere.",
    ),
    Text(
        "order-not-readable",
        r"parse body|incorrect type|invalid side|conid(ex)? or conid|conidex is required|missing (required )?(parameter|field|attribute)"
        r"|local order id is too long|request.{0,20}(includes|malformed|invalid)|bad request$|body is (a|not) json",
        "IBKR could not read the order as Halyard sent it. "
        "Report it to whoever runs Halyard with the order's reference; place the order in TWS meanwhile.",
    ),
    Text(
        "already-registered",
        r"already registered|duplicate (order|local|client|coid)",
        "IBKR has this order from an earlier request. Halyard looks for it and takes it over; do not place it by hand.",
    ),
    Text(
        "opposite-order-works",
        r"both sides|opposite side|cross(ing)? (side|trade|order)|wash (sale|trade)|self[ -]?(match|trade)",
        "IBKR takes no order against another working order of this account in the same contract. Cancel that one first.",
    ),
    Text(
        "allocation-not-taken",
        r"allocat|mutually exclusive|advisor|\bFA (group|profile|account)",
        "IBKR could not divide the order among the accounts of the group. "
        "Check the group, its method and its amounts in the Client Portal.",
    ),
    Text(
        "no-market-data",
        r"market data",
        "IBKR has no market data of this contract for this user. Subscribe to it in the Client Portal, "
        "or send a price with the signal.",
    ),
)

# What an order waits for is asked before what it may lack: "shares are located" is no refusal.
ORDER_TEXTS: tuple[Text, ...] = (
    *_WHO,
    *HELD,
    *_PRICES,
    *_SIZES,
    *_TIMES,
    *_CONTRACTS,
    *LEGS,
    *_KINDS,
    *_MONEY,
    *ENDS,
)
