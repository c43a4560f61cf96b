"""How values look on every page: money, quantities, prices, moments."""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

DASH = "–"  # noqa: RUF001  an en dash stands where there is no value


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
    return f"{cents:,f} {currency}".strip()


@register.filter
def signed_money(value: Decimal | None, currency: str = "") -> str:
    """Profit or loss: the sign always shows, so that colour never speaks alone."""
    if value is None:
        return DASH
    text = money(abs(value), currency)
    return f"+{text}" if value > 0 else f"\N{MINUS SIGN}{text}" if value < 0 else text


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


@register.simple_tag
def moment(value: datetime | None, style: str = "time") -> SafeString | str:
    """A moment as a <time> element. `time.js` shows it in the viewer's zone, with UTC on hover; `age` ticks."""
    if value is None:
        return DASH
    local = timezone.localtime(value)
    text = f"{local:%H:%M:%S}" if style != "date" else f"{local:%Y-%m-%d %H:%M:%S}"
    return format_html(
        '<time datetime="{}" data-style="{}" title="{:%Y-%m-%d %H:%M:%S} UTC">{}</time>',
        value.isoformat(),
        style,
        value,
        text,
    )
