"""Errors of the rulebook: a question that names what no table has, or lacks a fact."""

from typing import ClassVar


class RulebookError(ValueError):
    """A question the rulebook cannot answer; `code` is stable, `sentence` is for people, `name` is what was unknown."""

    code: ClassVar[str] = "rulebook_error"
    template: ClassVar[str] = "The rulebook cannot answer for {name!r}. Check the order and try again."

    def __init__(self, name: object = "", **data: object) -> None:
        self.name = name
        self.data: dict[str, object] = {"name": name, **data}
        self.sentence = self.template.format(**self.data)
        super().__init__(self.sentence)


class UnsupportedAssetClass(RulebookError):
    code = "unsupported_asset_class"
    template = "No rule covers the asset class {name!r}. Choose one that the account can trade."


class UnsupportedOrderType(RulebookError):
    code = "order_type_not_supported"
    template = "No rule covers the order type {name!r}. Choose one of the twelve supported types."


class UnsupportedTimeInForce(RulebookError):
    code = "time_in_force_not_supported"
    template = "No rule covers the time in force {name!r}. Use day, gtc or gtd."


class UnsupportedMarket(RulebookError):
    code = "unsupported_market"
    template = "There is no fee schedule for the market {name!r}. Trade it on a market the tables list."


class UnsupportedCurrency(RulebookError):
    code = "unsupported_currency"
    template = "No table lists the currency {name!r}. Use a currency the tables list, or extend the table."


class MissingRate(RulebookError):
    code = "no_fx_rate"
    template = "There is no exchange rate for {name!r}. Wait for a rate, or give one."


class MissingMarginData(RulebookError):
    code = "no_margin_data"
    template = (
        "No margin is known for the future {name}: the table {table} has no row for it. "
        "IBKR decides when the order arrives; add a row to know before."
    )


class UnknownCalendar(RulebookError):
    code = "unknown_calendar"
    template = "There is no calendar named {name!r}. Use one of the calendars in the table, or add it."


class NoTradingDay(RulebookError):
    code = "no_trading_day"
    template = "The calendar {name!r} has no regular session in the days searched. Check its sessions and holidays."


class UnknownRuleset(RulebookError):
    code = "unknown_ruleset"
    template = "There is no ruleset named {name!r}. Use seed, lean or ibkr_current."


class UnknownOperation(RulebookError):
    code = "unknown_operation"
    template = "The rulebook has no operation named {name!r}. Use one of the operations it lists."


class UnknownWord(RulebookError):
    code = "unknown_word"
    template = "{name!r} is not a known {kind}. Use one of: {known}."


class BadInput(RulebookError):
    code = "bad_input"
    template = "{name} cannot be read: {problem}. Correct it and ask again."


class FixedLeverage(RulebookError):
    code = "leverage_is_fixed"
    template = "The leverage of {name!r} is fixed at 1 for this account. Leave it unchanged."


class TargetOutOfRange(RulebookError):
    code = "future_target_must_be_between_-1_and_1"
    template = "A futures target must lie between -1 and 1; {name} does not. Choose a smaller target."
