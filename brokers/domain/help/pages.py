"""Help where IBKR is hard: the pages, and which of them explains a code of IBKR's or of ours. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpPage:
    """A page of help: its title, what it is about in one line, and the codes that lead to it."""

    title: str
    about: str
    codes: tuple[str, ...] = ()


PAGES: Mapping[str, HelpPage] = {
    "paper-account": HelpPage(
        title="Find your paper account",
        about="It has a user name and a password of its own.",
        codes=("paper-user-unknown", "paper-user-not-ready", "user-is-live", "user-is-paper", "account-not-shown"),
    ),
    "dedicated-user": HelpPage(
        title="Make a dedicated user",
        about="So that nobody's sign-in ends the session.",
        codes=(
            "competing-session",
            "session-not-taken-over",
            "username-taken",
            "taking-over",
            "left-to-person",
            "left-to-others",
            "takeovers-used-up",
        ),
    ),
    "sign-in": HelpPage(
        title="Signing in and two-step confirmation",
        about="When IBKR wants a person, and how.",
        codes=("not-signed-in", "another-user", "sign-in-page", "session-gone", "login-ended-overnight"),
    ),
    "sessions": HelpPage(
        title="How sessions work",
        about="What takes orders, how long it lives, and asking too often.",
        codes=(
            "accounts-first",
            "accounts-unread",
            "session-opens",
            "session-waits",
            "session-closed",
            "session-ended",
            "session-slow",
            "session-not-kept",
            "stream-waits",
            "too-many-requests",
            "not-allowed",
            "too-many-suppressed",
            "gateway-nonsense",
            "ibkr-has-no-session",
            "ibkr-did-not-answer",
        ),
    ),
    "identity-check": HelpPage(
        title="Signed in, and still no session",
        about="Another proof of who you are, and logins that go in circles.",
        codes=("no-brokerage-session", "session-does-not-open", "identity-check"),
    ),
    "daily-reset": HelpPage(
        title="The daily reset",
        about="IBKR restarts every night; what Halyard does then.",
        codes=("nightly-restart", "weekend-maintenance", "ibkr-unavailable"),
    ),
    "gateway": HelpPage(
        title="Set up a gateway",
        about="IBKR's own or ibeam: its certificate, its address, who may ask.",
        codes=(
            "no-gateway",
            "not-reached",
            "dial-refused",
            "dial-unanswered",
            "handshake-unanswered",
            "tls-broken-off",
            "gateway-speaks-http",
            "gateway-speaks-https",
            "certificate-unknown",
            "certificate-changed",
            "certificate-of-another-name",
            "certificate-over",
            "certificate-early",
            "gateway-forbids",
        ),
    ),
    "guard-gateway": HelpPage(
        title="Guard your gateway",
        about="It asks nobody for a password; let nobody reach it but Halyard.",
        codes=("proxy-refuses", "client-certificate-wanted"),
    ),
    "oauth": HelpPage(
        title="Connecting with OAuth",
        about="Keys instead of a gateway, and how long IBKR takes.",
        codes=(
            "key-not-active",
            "key-never-active",
            "key-withdrawn",
            "keys-do-not-match",
            "wrong-oauth-page",
            "login-expired",
            "token-revoked",
            "operator-key-refused",
            "operator-keys-differ",
            "sign-in-denied",
            "sign-in-over",
            "sign-in-unknown",
            "sign-in-used",
            "too-many-key-sets",
            "no-consumer-key",
            "paper-only",
            "token-not-proved",
            "no-token-given",
            "clock-differs",
            "access-token-misspelled",
            "consumer-key-misspelled",
            "secret-misspelled",
            "secret-of-another-key",
            "signature-key-unreadable",
            "signature-key-locked",
            "signature-key-unfit",
            "encryption-key-unreadable",
            "encryption-key-locked",
            "encryption-key-unfit",
            "prime-differs",
            "prime-negative",
            "prime-unfit",
            "prime-unreadable",
        ),
    ),
    "lite": HelpPage(title="IBKR Lite", about="It takes no orders from programs.", codes=("lite-account",)),
    "permissions": HelpPage(
        title="Permissions and restrictions",
        about="What an account may trade is settled at IBKR.",
        codes=(
            "no-trading-permission",
            "no-key-information",
            "canada-restricted",
            "pattern-day-trader",
            "closing-only",
            "short-sale-restricted",
            "short-sale-not-allowed",
            "no-shares-to-borrow",
            "account-restricted",
            "not-offered",
        ),
    ),
    "advisors": HelpPage(
        title="Advisors and groups of accounts",
        about="Several accounts under one login.",
        codes=("account-not-available", "allocation-not-taken", "account-search-off", "asked-about-allocation"),
    ),
    "market-data": HelpPage(
        title="Market data", about="What is missing without a subscription.", codes=("no-market-data",)
    ),
    "precautions": HelpPage(
        title="IBKR's precautionary settings",
        about="They hold orders back that look unusual.",
        codes=(
            "question-declined",
            "question-gone",
            "price-too-far",
            "quantity-too-large",
            "asked",
            "asked-about-price",
            "asked-about-size",
            "asked-about-value",
            "asked-too-often",
            "asked-too-long",
        ),
    ),
    "futures-operator": HelpPage(
        title="Who answers for orders in futures",
        about="Exchanges want to know who gave an order.",
        codes=("operator-missing",),
    ),
    "money": HelpPage(
        title="Cash, margin and buying power",
        about="What an order is paid from.",
        codes=("not-enough-cash", "not-enough-margin", "leveraged-currency", "preview-short"),
    ),
    "refused-orders": HelpPage(
        title="Orders that IBKR did not take",
        about="Prices, quantities, times, contracts.",
        codes=(
            "price-off-tick",
            "stop-price-not-taken",
            "price-not-taken",
            "fraction-not-taken",
            "too-many-orders",
            "quantity-off-lot",
            "quantity-not-taken",
            "outside-hours-not-taken",
            "auction-not-taken",
            "exchange-closed",
            "trading-halted",
            "time-in-force-not-taken",
            "close-to-delivery",
            "unknown-symbol",
            "contract-unknown",
            "contract-renumbered",
            "order-type-not-taken",
            "order-not-readable",
            "opposite-order-works",
            "exchange-refused",
            "ibkr-refused",
            "ibkr-gave-no-reason",
        ),
    ),
    "order-in-doubt": HelpPage(
        title="Orders of which nobody knows",
        about="An answer was lost: what Halyard looks at, and what only you can tell.",
        codes=(
            "order-in-doubt",
            "answer-lost",
            "already-registered",
            "acknowledged-not-shown",
            "acknowledged-then-gone",
            "another-order",
            "past-the-day",
            "registered-not-shown",
            "not-to-be-decided",
            "proven-absent",
            "given-up",
            "placed-anew",
        ),
    ),
    "missing-stop": HelpPage(
        title="Stops that are missing",
        about="A stop was refused, canceled or lost: what Halyard does, and what you can do.",
        codes=(
            "missing-stop",
            "canceled-by-hand",
            "alarm-chosen",
            "stop-not-shown",
            "stop-not-taken",
            "not-closed",
            "entry-not-canceled",
        ),
    ),
    "order-life": HelpPage(
        title="Orders that IBKR holds, ends or does not change",
        about="What became of an order is IBKR's word.",
        codes=(
            "held-for-shares",
            "held-until-open",
            "held-for-review",
            "held-not-sent",
            "leg-without-parent",
            "parent-ended",
            "other-leg-filled",
            "order-gone",
            "order-not-canceled",
            "order-not-changed",
            "corporate-action",
            "order-expired",
            "canceled-by-ibkr",
            "ibkr-ended",
            "ibkr-holds",
            "ibkr-did-not-cancel",
            "ibkr-did-not-change",
            "acknowledged-in-part",
            "prompt-of-ibkr",
            "prompt-answered",
        ),
    ),
}
_PAGE_OF: Mapping[str, str] = {code: name for name, page in PAGES.items() for code in page.codes}


def page_of(code: str) -> str:
    """The page that explains a code; empty where none does."""
    return _PAGE_OF.get(code, "precautions" if code.startswith("asked-") else "")
