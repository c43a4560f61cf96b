"""How values look on every page: money, quantities, prices, moments, words with their icon and tone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

MINUS = "\N{MINUS SIGN}"
DASH = "–"  # noqa: RUF001  an en dash stands where there is no value

# A word of the domain: its icon and its tone. Colour never speaks alone, so there is no tone without an icon.
BADGES: dict[str, dict[str, tuple[str, str]]] = {
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
    "decision": {
        "pending": ("clock", "busy"),
        "proposed": ("user", "warn"),
        "accepted": ("check", "good"),
        "rejected": ("x", "bad"),
        "rehearsed": ("simulated", ""),
    },
    # What became of a proposal.
    "answer": {
        "proposed": ("user", "warn"),
        "approved": ("check", "good"),
        "declined": ("x", "bad"),
        "expired": ("hourglass", ""),
        "overtaken": ("cycle", ""),
    },
    "session": {
        "active": ("check", "good"),
        "connecting": ("cycle", "busy"),
        "signed_out": ("minus", "warn"),
        "competing": ("users", "bad"),
        "resetting": ("hourglass", "warn"),
        "unreachable": ("alert", "bad"),
        "refused": ("x", "bad"),
    },
    "outcome": {
        "received": ("clock", "busy"),
        "delayed": ("hourglass", "busy"),
        "set_aside": ("inbox", "warn"),
        "nobody": ("minus", ""),
        "rehearsed": ("simulated", ""),
        "pending": ("clock", "busy"),
        "proposed": ("user", "warn"),
        "accepted": ("check", "good"),
        "rejected": ("x", "bad"),
        "refused": ("ban", "bad"),
    },
    "switch": {"on": ("check", "good"), "off": ("minus", "")},
    "role": {"owner": ("key", ""), "trader": ("activity", ""), "approver": ("shield", ""), "viewer": ("eye", "")},
}
# What a word is called where it is shown.
LABELS = {"nobody": "nobody follows", "rehearsed": "dry run"}
ICONS = static("img/icons.svg")

_DOUBT = {"unknown", "needs_attention"}
_OVER = {"denied", "rejected", "filled", "canceled", "expired"}


@register.filter
def quantity(value: Decimal | None) -> str:
    """Shares or contracts: grouped thousands, no trailing zeros."""
    if value is None:
        return DASH
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@register.filter
def price(value: Decimal | None) -> str:
    """A price: at least two decimals, more where the price has them."""
    if value is None:
        return DASH
    text = f"{value.normalize():,f}"
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


@register.filter
def money(value: Decimal | None, currency: str = "") -> str:
    """An amount of money to the cent, with its currency."""
    if value is None:
        return DASH
    cents = Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return f"{MINUS if cents < 0 else ''}{abs(cents):,f} {currency}".strip()


@register.filter
def signed_money(value: Decimal | None, currency: str = "") -> str:
    """Profit or loss: the sign always shows, so that colour never speaks alone."""
    if value is None:
        return DASH
    text = money(abs(value), currency)
    return f"+{text}" if value > 0 else f"{MINUS}{text}" if value < 0 else text


@register.filter
def tone(value: Decimal | None) -> str:
    """`up`, `down` or nothing: the class of a signed number."""
    if not value:
        return ""
    return "up" if value > 0 else "down"


@register.filter
def words(value: Any) -> str:
    """A domain word for people: `partially_filled` -> `partially filled`."""
    return str(value).replace("_", " ")


@register.filter
def ms(value: float | None) -> str:
    """A duration in milliseconds."""
    if value is None:
        return DASH
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.1f} ms"


@register.filter
def sheets(names: str) -> list[str]:
    """The addresses of style sheets, in the order of their layers."""
    return [static(f"css/{name}.css") for name in names.split()]


@register.filter
def sign(value: Decimal | None) -> str:
    """`buy` for a long holding, `sell` for a short one."""
    return "sell" if value is not None and value < 0 else "buy"


@register.filter
def magnitude(value: Decimal | None) -> Decimal | None:
    return None if value is None else abs(value)


@register.filter
def order_tags(status: str) -> str:
    """The words a list of orders may ask for: its status, and whether it is open, over or in doubt."""
    groups = ["over" if status in _OVER else "open", *(["doubt"] if status in _DOUBT else [])]
    return " ".join([str(status), *groups])


@register.filter
def settled_after(order: Any, received_at: datetime | None) -> float | None:
    """Milliseconds from the signal to the order's fill, or else to the broker's word on it."""
    end = order.filled_at or order.acknowledged_at
    if end is None or not received_at:
        return None
    took: float = (end - received_at).total_seconds() * 1000
    return max(took, 0.0)


@register.filter
def decided_after(signal: Any) -> float | None:
    """Milliseconds from the signal's arrival to the last of its decisions."""
    moments = [decision.decided_at for decision in signal.decisions.all() if decision.decided_at]
    if not moments:
        return None
    took: float = (max(moments) - signal.received_at).total_seconds() * 1000
    return max(took, 0.0)


@register.filter
def answer_ms(attempt: Any) -> float | None:
    """How long the broker took to answer one request."""
    if attempt.answered_at is None:
        return None
    took: float = (attempt.answered_at - attempt.sent_at).total_seconds() * 1000
    return took


@register.filter
def gain(position: Any) -> str:
    """A position's price against its cost, in percent, signed as the holder sees it."""
    price_now, cost = position.market_price, position.average_cost
    if price_now is None or not cost:
        return DASH
    percent = (price_now - cost) / cost * 100 * (1 if position.quantity > 0 else -1)
    return f"{'+' if percent > 0 else MINUS if percent < 0 else ''}{abs(percent):.2f} %"


@register.filter
def cell(value: Any) -> str:
    """A value that may be empty, for a table cell."""
    return DASH if value in (None, "") else str(value)


@register.filter
def plural(count: int, noun: str) -> str:
    """`3|plural:"order"` reads "3 orders"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


@register.simple_tag
def icon(name: str, tone: str = "") -> SafeString:
    """One symbol of the sprite; it takes the colour and the size of the text around it."""
    return format_html('<svg class="icon {}" aria-hidden="true"><use href="{}#{}"/></svg>', tone, ICONS, name)


@register.simple_tag
def badge(kind: str, word: str, text: str = "") -> SafeString:
    """A word of the domain with its icon and tone."""
    symbol, tone = BADGES[kind].get(str(word), ("dashed", ""))
    label = text or words(LABELS.get(str(word), word))
    return format_html('<span class="badge {}">{}{}</span>', tone, icon(symbol), label)


@register.simple_tag
def badge_icon(kind: str, word: str) -> SafeString:
    """Only the icon of a word, in its tone; the word stands beside it."""
    symbol, tone = BADGES[kind].get(str(word), ("dashed", ""))
    return icon(symbol, tone)


@register.filter
def tone_of(word: str, kind: str) -> str:
    """The tone of a word alone, for a lamp or an edge."""
    return BADGES[kind].get(str(word), ("", ""))[1]


@register.simple_tag
def environment(word: str) -> SafeString:
    """Simulated, paper or live: nobody may take one for another."""
    symbol = {"simulated": "simulated", "paper": "paper", "live": "live"}.get(str(word), "dashed")
    label = "live money" if word == "live" else str(word)
    return format_html('<span class="environment {}">{}{}</span>', word, icon(symbol), label)


@register.simple_tag
def side(word: str) -> SafeString:
    """Buy with an arrow up, sell with an arrow down, exit with neither."""
    symbol = {"buy": "up-right", "sell": "down-right"}.get(str(word), "log-out")
    return format_html('<span class="side-word {}">{} {}</span>', word, icon(symbol), str(word).capitalize())


@register.simple_tag(takes_context=True)
def current(context: template.Context, *names: str) -> SafeString | str:
    """Marks the navigation link of the page one is on."""
    match = getattr(context.get("request"), "resolver_match", None)
    return mark_safe(' aria-current="page"') if match and match.url_name in names else ""


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """This page's address with some of its filters changed; an empty value leaves a filter out."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        parameters.pop(name, None)
        if value not in (None, ""):
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


@register.simple_tag
def moment(value: datetime | None, style: str = "time") -> SafeString | str:
    """A moment as a <time> element. `time.js` shows it in the viewer's zone, with UTC on hover; `age` ticks."""
    if value is None:
        return DASH
    local = timezone.localtime(value)
    text = {"date": f"{local:%Y-%m-%d %H:%M:%S}", "day": f"{local:%Y-%m-%d}"}.get(style, f"{local:%H:%M:%S}")
    return format_html(
        '<time datetime="{}" data-style="{}" title="{} UTC">{}</time>',
        value.isoformat(),
        style,
        f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        text,
    )
