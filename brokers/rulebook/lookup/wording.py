"""Figures as people write them."""

from decimal import Decimal


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)} %"


def price(value: Decimal) -> str:
    """To the cent at least: 0.50, and 0.005 where it is finer."""
    text = plain(value)
    digits = len(text.partition(".")[2])
    return text if digits == 0 or digits > 1 else text + "0"


def clock(second: int) -> str:
    """A second of the day as on a wall; the end of a day is 24:00."""
    return f"{second // 3600:02}:{second // 60 % 60:02}"
