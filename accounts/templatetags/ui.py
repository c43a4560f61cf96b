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
from ua_parser import parse

from accounts import zones
from accounts.entrance import letters, outbox

register = template.Library()

MINUS = "\N{MINUS SIGN}"
DASH = "–"  # noqa: RUF001  an en dash stands where there is no value

# A status word: its icon and its tone. Colour never speaks alone, so there is no tone without an icon.
Words = dict[str, tuple[str, str]]

# Status words by kind. Each app adds the kinds it owns when it is ready.
BADGES: dict[str, Words] = {
    "switch": {"on": ("check", "good"), "off": ("minus", "")},
    "role": {"owner": ("key", ""), "trader": ("activity", ""), "approver": ("shield", ""), "viewer": ("eye", "")},
}
# What people read in place of a word; every other word reads as it is.
LABELS: dict[str, str] = {}
ICONS = static("img/icons.svg")


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
def average(value: Decimal | None) -> str:
    """A price that was reckoned, such as an average: seven digits say it, and never less than the cent."""
    if value is None:
        return DASH
    decimals = min(max(6 - value.adjusted(), 2), 8)
    return price(Decimal(value).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_EVEN))


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
def browser(agent: str) -> str:
    """What a user agent is, in words: "Firefox 145 on Windows". Its own beginning where nobody knows it."""
    # Anybody sends it, and patterns are matched against it.
    known = parse(agent[:200])
    if known.user_agent is None:
        return agent[:60] or "an unnamed program"
    name = f"{known.user_agent.family} {known.user_agent.major or ''}".strip()
    return f"{name} on {known.os.family}" if known.os is not None else name


@register.filter
def sheets(names: str) -> list[str]:
    """The addresses of style sheets, in the order of their layers."""
    return [static(f"css/{name}.css") for name in names.split()]


@register.filter
def magnitude(value: Decimal | None) -> Decimal | None:
    return None if value is None else abs(value)


@register.filter
def cell(value: Any) -> str:
    """A value that may be empty, for a table cell."""
    return DASH if value in (None, "") else str(value)


register.filter("quoted", letters.quoted)


@register.filter
def plural(count: int, noun: str) -> str:
    """`3|plural:"order"` reads "3 orders"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def add_badges(kinds: dict[str, Words], labels: dict[str, str] | None = None) -> None:
    """Make an app's status words known to `badge`, `badge_icon` and `tone_of`, with the labels of some."""
    BADGES.update(kinds)
    LABELS.update(labels or {})


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


@register.simple_tag(takes_context=True)
def current(context: template.Context, *names: str) -> SafeString | str:
    """Marks the navigation link of the page one is on."""
    match = getattr(context.get("request"), "resolver_match", None)
    return mark_safe(' aria-current="page"') if match and match.url_name in names else ""


@register.inclusion_tag("ui/_mail_note.html", takes_context=True)
def mail_note(context: template.Context) -> dict[str, bool]:
    """Where a mail can be read on an installation that cannot send any."""
    request = context.get("request")
    return {"mail_stays": outbox.stays(), "mails_shown": request is not None and outbox.may_read(request)}


@register.simple_tag
def mails_stay() -> bool:
    """Whether mails are printed here instead of sent."""
    return outbox.stays()


@register.simple_tag(takes_context=True)
def mails_shown(context: template.Context) -> bool:
    """Whether this viewer may open the page of mails."""
    request = context.get("request")
    return request is not None and outbox.may_read(request)


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """This page's address with some of its filters changed; an empty value leaves a filter out."""
    parameters = context["request"].GET.copy()
    for name, value in changes.items():
        parameters.pop(name, None)
        if value not in (None, ""):
            parameters[name] = str(value)
    return f"?{parameters.urlencode()}"


@register.filter
def spelled(value: datetime) -> str:
    """A moment in a mail, where nothing shows UTC on hover: in the reader's zone, and in UTC."""
    return zones.spelled(value, timezone.get_current_timezone())


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
