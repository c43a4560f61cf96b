"""How orders, positions and sessions look on every page: their status words, their sides, their times."""

from __future__ import annotations

from datetime import datetime, timedelta

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.models import Team
from accounts.templatetags.ui import DASH, MINUS, Words, icon, moment
from brokers.book import ages, day_ledger
from brokers.book.options.delivered import shares_of
from brokers.connections.consents import Reach, reach_of
from brokers.domain.actions import words
from brokers.domain.certificates import Certificate, age, spelled
from brokers.domain.contracts.combos import combo_named
from brokers.domain.contracts.options import NEW_YORK, named
from brokers.domain.dayresult import DayResult
from brokers.domain.elsewhere import classes
from brokers.domain.help.pages import PAGES, HelpPage, page_of
from brokers.domain.latency import Scale
from brokers.domain.notices import DispatchStatus, NoticeKind
from brokers.domain.orders import IN_DOUBT, OPTIONS, OVER, TOUCHED, AssetClass, OrderType, Side
from brokers.domain.session.ages import Way, Word
from brokers.domain.sessions import Environment
from brokers.models import BrokerageAccount, Execution, Order, Position, SubmissionAttempt
from brokers.rulebook.margin.by_class import ClassPower, powers
from brokers.rulebook.products.abroad import unit_of
from brokers.rulebook.values import Account

register = template.Library()

BADGES: dict[str, Words] = {
    "order": {
        "created": ("clock", ""),
        "submitted": ("send", "busy"),
        "accepted": ("dot", "busy"),
        "partially_filled": ("half", "busy"),
        "filled": ("check", "good"),
        "pending_cancel": ("hourglass", "busy"),
        "canceled": ("ban", ""),
        "expired": ("hourglass", ""),
        "denied": ("x", "bad"),
        "rejected": ("x", "bad"),
        "unknown": ("help", "warn"),
        "needs_attention": ("alert", "warn"),
    },
    "session": {
        "active": ("check", "good"),
        "connecting": ("cycle", "busy"),
        "signed_out": ("minus", "warn"),
        "competing": ("users", "bad"),
        "resetting": ("hourglass", "warn"),
        "unreachable": ("alert", "bad"),
        "refused": ("x", "bad"),
        "paused": ("hourglass", "warn"),
        "not_opened": ("alert", "warn"),
        "pending": ("hourglass", "warn"),
        "revoked": ("ban", "bad"),
        "certificate_refused": ("ban", "bad"),
        "encryption_failed": ("alert", "bad"),
    },
    "call": {
        "answered": ("check", "good"),
        "refused": ("x", "bad"),
        "signed_out": ("minus", "warn"),
        "too_fast": ("hourglass", "warn"),
        "broker_failed": ("alert", "bad"),
        "not_delivered": ("ban", "bad"),
        "no_answer": ("help", "bad"),
        "nonsense": ("alert", "bad"),
        "given_up": ("clock", "warn"),
    },
    "trial": {
        "good": ("check", "good"),
        "look": ("eye", "warn"),
        "bad": ("x", "bad"),
        "not_reached": ("dashed", ""),
    },
}
SIMULATED_PRICE = format_html('<span class="sub simulated-price">{}</span>', "simulated price")


@register.filter
def fingerprint(sha256: str) -> SafeString:
    """A SHA-256 fingerprint in pairs, with places to break it."""
    *pairs, last = spelled(sha256).split(":")
    return format_html("{}{}", format_html_join("", "{}:<wbr>", ((pair,) for pair in pairs)), last)


@register.filter
def certificate_age(certificate: Certificate) -> str:
    """What is to be said of its dates now."""
    return age(certificate, timezone.now())


@register.filter
def order_tags(status: str) -> str:
    """The words a list of orders may ask for: its status, and whether it is open, over or in doubt."""
    groups = ["over" if status in OVER else "open", *(["doubt"] if status in IN_DOUBT else [])]
    return " ".join([str(status), *groups])


_NOTICES = {
    NoticeKind.NOT_READY: "Cannot trade",
    NoticeKind.WEEKLY_SIGN_IN: "Weekly sign-in",
    NoticeKind.READY_AGAIN: "Can trade again",
    NoticeKind.CERTIFICATE_CHANGED: "Another certificate",
    NoticeKind.MISSING_STOP: "A stop is missing",
    NoticeKind.PROMPT_LEFT: "IBKR asks about an order",
    NoticeKind.NOT_CANCELED: "An order works past its date",
    NoticeKind.NOT_MOVED: "A stop or a target was not changed",
    NoticeKind.PART_REFUSED: "A part is missing",
}
_DISPATCHES = {
    DispatchStatus.WAITING: "waits to be sent",
    DispatchStatus.SENDING: "is being sent",
    DispatchStatus.SENT: "sent by e-mail",
    DispatchStatus.FAILED: "not sent",
    DispatchStatus.LOST: "may have arrived or not, and is not sent again",
    DispatchStatus.NO_ADDRESS: "not sent, as nobody has confirmed this address",
}


@register.filter
def wakes_at(order_type: str) -> str:
    """What stands before the price that wakes an order: "stop", "touch"; nothing where its type says so already."""
    if order_type == OrderType.STOP:
        return ""
    return "touch" if order_type in TOUCHED else "stop"


@register.filter
def priced_in(currency: str, ticker: str) -> str:
    """What a price of the ticker counts in: "pence" in London, else the currency."""
    return unit_of(ticker, currency)


@register.filter
def class_label(asset_class: str) -> str:
    """What a holding is, by the name of its class."""
    return classes.label(asset_class)


@register.filter
def buying_powers(account: BrokerageAccount) -> tuple[ClassPower, ...]:
    """What the account may open of each class; nothing while IBKR has not shown its funds."""
    if account.available_funds is None:
        return ()
    ruled = Account(type=account.margin, currency=account.currency, available=account.available_funds)
    return powers(ruled, account.buying_power)


@register.filter
def held_as(position: Position) -> str:
    """What a holding is; an option as people name it, with the days that are left: "SPY 18 Dec 2026 640 C, 18 days left".

    Of one whose terms a split has changed also what it delivers, which is looked up: "AAPL1 18 Dec 2026 320 C, adjusted: delivers 150
    shares, 17 days left".
    """
    name = named(position.ticker) if position.asset_class in OPTIONS else None
    if name is None:
        return classes.label(position.asset_class)
    days = name.days_left(timezone.now().astimezone(NEW_YORK).date())
    left = "expired" if days < 0 else "its last day" if not days else f"{days} day{'' if days == 1 else 's'} left"
    if name.series:
        return f"{name.spoken}, {words.delivers(shares_of(position.account, position.conid))}, {left}"
    return f"{name.spoken}, {left}"


@register.filter
def as_combo(order: Order) -> str:
    """What an order for a combo buys and sells: "SPY 18 Dec 2026 640/650 call spread: buys ... and sells ..."; "" of others."""
    name = combo_named(order.ticker) if order.asset_class == AssetClass.OPTION else None
    if name is None:
        return ""
    bought, sold = name.legs if order.side == Side.BUY else name.legs[::-1]
    return f"{name.spoken}: buys {bought.spoken} and sells {sold.spoken}"


@register.filter
def end_in(execution: Execution, ends: object) -> str:
    """What a fill tells of an option's end, by the key of the fill; nothing on pages that do not ask."""
    return str(ends.get(execution.pk, "")) if isinstance(ends, dict) else ""


@register.filter
def is_traded(asset_class: str) -> bool:
    """Whether Halyard has orders for what is of this class."""
    return classes.is_traded(asset_class)


@register.filter
def notice_words(kind: str) -> str:
    """What a notice is about."""
    return _NOTICES[NoticeKind(kind)]


@register.filter
def dispatch_words(status: str) -> str:
    """What became of a notice on its way to one person."""
    return _DISPATCHES[DispatchStatus(status)]


_SEEN_BY = {
    "look": "Halyard asked IBKR",
    "tickle": "the request of each minute that keeps the session",
    "stream": "IBKR's live stream",
    "order": "an order that waited",
    "opening": "Halyard opened the session",
    "person": "somebody at this page",
    "trial": "a test of the connection",
}


@register.filter
def seen_by(cause: str) -> str:
    """What made Halyard see a change of a session, in words."""
    return _SEEN_BY.get(str(cause), str(cause))


@register.filter
def answer_ms(attempt: SubmissionAttempt) -> float | None:
    """How long the broker took to answer one request."""
    if attempt.answered_at is None:
        return None
    return (attempt.answered_at - attempt.sent_at).total_seconds() * 1000


@register.filter
def share(part: float | None) -> str:
    """A part of a whole in percent."""
    if part is None:
        return DASH
    return "under 1 %" if 0 < part < 0.01 else f"{part:.0%}".replace("%", " %")


@register.simple_tag
def placed(ms: float | None, scale: Scale) -> str:
    """Where a time stands on a scale, in percent; one that is there is seen."""
    return f"{max(1.0, scale.place(ms)):.1f}" if ms else "0"


@register.filter
def duration(ms: float | None) -> str:
    """A mark of a scale: in seconds from one second on."""
    if ms is None:
        return DASH
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


@register.filter
def gain(position: Position) -> str:
    """A position's price against its cost, in percent, signed as the holder sees it."""
    price_now, cost = position.market_price, position.average_cost
    if price_now is None or not cost:
        return DASH
    percent = (price_now - cost) / cost * 100 * (1 if position.quantity > 0 else -1)
    return f"{'+' if percent > 0 else MINUS if percent < 0 else ''}{abs(percent):.2f} %"


@register.filter
def unknown(text: str) -> str:
    """A figure that nobody knows, in a word: an empty cell reads as zero."""
    return "unknown" if text == DASH else text


@register.simple_tag
def day_result(account: BrokerageAccount) -> DayResult:
    """The account's result of today, to the cent: as the page has loaded it, else loaded now, asking nobody."""
    if "day" not in vars(account):
        day_ledger.with_results([account], timezone.now(), ask=False, held=vars(account).get("held"))
    return account.day.in_cents


@register.filter
def in_cents(day: DayResult) -> DayResult:
    return day.in_cents


_WAYS = {Way.STREAM: "stream", Way.READ: "read", Way.ANSWER: "IBKR's answer", Way.REPORT: "IBKR's report"}
# What is older is shown with its day.
_SAME_DAY = timedelta(hours=20)
# An account in use is read each half minute, and open pages are told: one that heard nothing for so long knows no better.
_HOLDS_SECONDS = 75
_FADED = format_html(
    '<span data-holds="{}" data-faded="; nothing newer has reached this page for over a minute"></span>', _HOLDS_SECONDS
)


@register.simple_tag
def order_age(order: Order) -> SafeString | str:
    """As of when IBKR has confirmed the order's status, and by which way: "as of 14:02:11, stream"; "" where it has not."""
    now = timezone.now()
    return _in_words(ages.of_order(order, now), now, fades=order.status not in OVER)


@register.simple_tag
def book_age(account: BrokerageAccount) -> SafeString | str:
    """As of when IBKR has shown the account's positions: "as of 14:02:11, read"; "" where it has not."""
    now = timezone.now()
    return _in_words(ages.of_book(account, now), now, fades=True)


def _in_words(word: Word, now: datetime, *, fades: bool) -> SafeString | str:
    """A word on IBKR's side. One that `fades` says by the page's own clock when nothing newer has come."""
    if word.at is None or word.way is None:
        return ""
    told = format_html("as of {}, {}", _clock(word.at, now), _WAYS[word.way])
    if word.silent_since is None:
        return format_html("{}{}", told, _FADED) if fades else told
    return format_html("{}; the stream has been silent since {}", told, _clock(word.silent_since, now))


def _clock(at: datetime, now: datetime) -> SafeString | str:
    return moment(at, "time" if now - at < _SAME_DAY else "date")


@register.simple_tag
def environment(word: str) -> SafeString:
    """Simulated, paper or live: nobody may take one for another."""
    symbol = {"simulated": "simulated", "paper": "paper", "live": "live"}.get(str(word), "dashed")
    label = "live money" if word == "live" else str(word)
    return format_html('<span class="environment {}">{}{}</span>', word, icon(symbol), label)


@register.simple_tag
def help_link(code: str) -> SafeString | str:
    """The page that explains a code, by its title; nothing where none does."""
    name = page_of(code)
    if not name:
        return ""
    return format_html('<a href="{}">Help: {}</a>', reverse("help", args=[name]), PAGES[name].title)


# What people meet first, in that order.
_FIRST_HELP = ("paper-account", "dedicated-user", "precautions", "gateway", "guard-gateway", "oauth", "daily-reset")


@register.simple_tag
def first_help(read: HelpPage | str = "") -> list[tuple[str, HelpPage]]:
    """The pages of help that people meet first, by their names, without the one that is being read."""
    return [(name, PAGES[name]) for name in _FIRST_HELP if PAGES[name] != read]


@register.simple_tag
def live_reach(team: Team) -> list[Reach]:
    """The team's connections through which orders can move real money, for a banner on each of its pages."""
    return reach_of(team)


@register.simple_tag
def simulated_price(environment: str) -> SafeString | str:
    """Beside fills and profit of the simulator: nobody may take a price that it made for one of an exchange."""
    return SIMULATED_PRICE if environment == Environment.SIMULATED else ""


@register.simple_tag
def side(word: str) -> SafeString:
    """Buy with an arrow up, sell with an arrow down, exit with neither."""
    symbol = {"buy": "up-right", "sell": "down-right"}.get(str(word), "log-out")
    return format_html('<span class="side-word {}">{} {}</span>', word, icon(symbol), str(word).capitalize())
