"""When options on futures end on their last day, in New York: by the product, and whether they end with their future."""

from __future__ import annotations

from datetime import date, time, timedelta

from brokers.domain.contracts.options import OptionName
from brokers.rulebook.calendars import us_shares
from brokers.rulebook.products.futures import is_business_day, read_code

# On an index; its quarterly options end with their future at the open, all others at the close of the shares.
ON_INDICES = frozenset({"ES", "MES", "NQ", "MNQ", "RTY", "M2K", "YM", "MYM", "EMD"})
AT_OPEN, AT_CLOSE = time(9, 30), time(16)
# On days on which shares end early, futures on indices end a quarter of an hour behind them, and others at a quarter to two.
_HALF_DAY_OF_INDICES, _HALF_DAY_OF_OTHERS = time(13, 15), time(13, 45)
_ONE_DAY = timedelta(days=1)
# Trade in these ends with the settlement of their futures.
_BY_ROOT = {
    **dict.fromkeys(("CL", "MCL", "NG", "RB", "HO"), time(14, 30)),
    **dict.fromkeys(("GC", "MGC"), time(13, 30)),
    "SI": time(13, 25),
    "HG": time(13),
}


def of_root(root: str, day: date, *, with_future: bool) -> time | None:
    """The end of trade on their last day, `day`, of options on a root; None of a product of which it is not known here."""
    is_half = day in us_shares().early_closes
    if root not in ON_INDICES:
        usual = _BY_ROOT.get(root)
        return min(usual, _HALF_DAY_OF_OTHERS) if usual is not None and is_half else usual
    if with_future:
        return AT_OPEN
    return _HALF_DAY_OF_INDICES if is_half else AT_CLOSE


def last_on_half_day(day: date) -> time | None:
    """When the last options on futures end that end on a day on which shares end early; None on other days."""
    return _HALF_DAY_OF_OTHERS if day in us_shares().early_closes else None


def ends_at_or_before(name: OptionName) -> time:
    """The end of an option by its name, never later than it is, for what has to be done before it: where it is not known the
    open, before which none ends."""
    code = read_code(name.underlying)
    if code is None:
        return AT_OPEN
    root, month = code
    return of_root(root, name.expiry, with_future=name.expiry == _last_day_of_index(month)) or AT_OPEN


def _last_day_of_index(month: date) -> date:
    """The third Friday, or the business day before it."""
    first = month.replace(day=1)
    last = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
    while not is_business_day(last):
        last -= _ONE_DAY
    return last
