"""Contracts that can be traded, what their margin is, and rates between currencies."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils import timezone

from brokers.domain.contracts.combos import NAME as COMBO
from brokers.domain.contracts.options import NAME_OR_RULE, NAME_OR_RULE_ON_FUTURE, RULE
from brokers.domain.market.quotes import Quote
from brokers.domain.orders import (
    OPTIONS,
    AssetClass,
    Instrument,
    Side,
)
from brokers.domain.orders import Contract as ContractValue
from brokers.models.accounts import BrokerageAccount
from brokers.models.columns import amount, optional_amount, word
from brokers.models.connections import Connection


class ContractLookups(models.QuerySet["ContractLookup"]):
    def of_contracts(self) -> ContractLookups:
        """Without rules: what one means now is another contract later, and no order and no holding is called by it."""
        return self.exclude(asset_class__in=OPTIONS, ticker__regex=RULE)

    def numbered(self, connection_pk: int, conid: int) -> ContractLookups:
        """What a connection knows under a contract's number, by the names of that contract."""
        return self.of_contracts().filter(connection=connection_pk, conid=conid, status="found")


class ContractLookup(models.Model):
    """A broker's identity of an instrument: asked once, remembered. The row is also the queue of questions.

    `simulated` apart, since the simulator numbers some contracts in its own way.
    """

    class Status(models.TextChoices):
        WANTED = "wanted", "Wanted"
        FOUND = "found", "Found"
        UNKNOWN = "unknown", "Unknown"

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="contract_lookups")
    ticker = models.CharField(max_length=40)
    asset_class = word(AssetClass)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WANTED)
    reason = models.CharField(max_length=300, blank=True)
    # Why IBKR does not know it, as a stable code.
    reason_code = models.CharField(max_length=40, blank=True, default="", db_default="")
    conid = models.BigIntegerField(null=True, blank=True)
    name = models.CharField(max_length=120, blank=True)
    exchange = models.CharField(max_length=40, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    multiplier = amount(default=Decimal(1))
    tick = amount(default=Decimal("0.01"))
    # Ticks by the price they count from, [["0", "0.0001"], ["1", "0.01"]]; null where IBKR was not asked for them yet.
    increments = models.JSONField(null=True, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True, blank=True)
    bid = optional_amount()
    ask = optional_amount()
    last = optional_amount()
    quote_as_of = models.DateTimeField(null=True, blank=True)
    # What the prices are, in IBKR's letters, and the one in front of the last price: see `domain/market/quotes.py`.
    quote_flags = models.CharField(max_length=8, blank=True, default="", db_default="")
    last_flag = models.CharField(max_length=1, blank=True, default="", db_default="")
    # Since when somebody waits for a fresher quote; null when nobody does.
    quote_wanted_at = models.DateTimeField(null=True, blank=True)
    # When a decision last needed one that was not at hand: for a while the stream keeps it so.
    quote_needed_at = models.DateTimeField(null=True, blank=True)
    # When IBKR was last asked for it; it may have shown none.
    quote_answered_at = models.DateTimeField(null=True, blank=True)
    # Whether the share can be borrowed, as `domain.market.borrowing` writes it; null where IBKR was not asked or does not say.
    borrow = models.JSONField(null=True, blank=True)
    # Since when somebody wants that word, which no decision waits for; and when IBKR was last asked for it.
    borrow_wanted_at = models.DateTimeField(null=True, blank=True)
    borrow_answered_at = models.DateTimeField(null=True, blank=True)
    # The account numbers that IBKR lets trade it; null where it did not say.
    permitted = models.JSONField(null=True, blank=True)
    # What may be ordered of it, as `domain.contracts.rules` writes it; null where IBKR was not asked or does not say.
    rules = models.JSONField(null=True, blank=True)
    # The contracts that the ticker may mean, as `domain.contracts.candidates` writes them, until a person chooses one;
    # null where it is plain.
    candidates = models.JSONField(null=True, blank=True)
    # When IBKR last showed another number for this ticker than before.
    replaced_at = models.DateTimeField(null=True, blank=True)
    # The number that IBKR showed before: our older orders bear it, and the account holds the new one.
    replaced_conid = models.BigIntegerField(null=True, blank=True)
    # When it trades, as `domain.trading_hours` writes it; null where IBKR was not asked or does not say. Asked each day.
    hours = models.JSONField(null=True, blank=True)
    hours_asked_on = models.DateField(null=True, blank=True)
    # Since when somebody wants the day's; null when nobody does.
    hours_wanted_at = models.DateTimeField(null=True, blank=True)

    objects = ContractLookups.as_manager()

    class Meta:
        verbose_name = "symbol asked for"
        verbose_name_plural = "symbols asked for"
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "asset_class", "ticker"], name="one_contract_per_connection_and_instrument"
            ),
            models.CheckConstraint(
                condition=~Q(status="found") | Q(conid__isnull=False), name="found_contract_has_a_conid"
            ),
            # The name of an option is all that tells it from others on the same share.
            models.CheckConstraint(
                condition=~Q(asset_class="option") | Q(ticker__regex=NAME_OR_RULE) | Q(ticker__regex=COMBO),
                name="option_asked_for_is_named",
            ),
            models.CheckConstraint(
                condition=Q(conid=None) | Q(conid__gte=0) | Q(asset_class="option", ticker__regex=COMBO),
                name="only_a_combo_has_a_number_below_zero",
            ),
            # The same of one on a future, whose name has the future.
            models.CheckConstraint(
                condition=~Q(asset_class="future_option") | Q(ticker__regex=NAME_OR_RULE_ON_FUTURE),
                name="option_on_a_future_asked_for_is_named",
            ),
        ]
        indexes = [
            models.Index(fields=["connection"], condition=Q(status="wanted"), name="contracts_wanted"),
            models.Index(fields=["connection"], condition=Q(quote_wanted_at__isnull=False), name="quotes_wanted"),
            models.Index(fields=["connection"], condition=Q(hours_wanted_at__isnull=False), name="hours_wanted"),
            models.Index(fields=["connection"], condition=Q(borrow_wanted_at__isnull=False), name="borrows_wanted"),
            models.Index(fields=["connection"], condition=Q(candidates__isnull=False), name="contracts_to_choose"),
        ]

    def __str__(self) -> str:
        return f"{self.ticker} = {self.conid}"

    def value(self) -> ContractValue:
        """The domain value of a found contract."""
        assert self.conid is not None
        return ContractValue(
            instrument=Instrument(ticker=self.ticker, asset_class=AssetClass(self.asset_class)),
            conid=self.conid,
            name=self.name,
            exchange=self.exchange,
            currency=self.currency,
            multiplier=self.multiplier,
            tick=self.tick,
            increments=tuple((Decimal(edge), Decimal(tick)) for edge, tick in self.increments or ()),
        )

    def quote(self) -> Quote | None:
        """The last quote IBKR showed of it, however old; or its word that it shows this user none."""
        as_of = self.quote_as_of or (self.quote_answered_at if self.quote_flags else None)
        if as_of is None:
            return None
        return Quote(
            bid=self.bid, ask=self.ask, last=self.last, as_of=as_of, flags=self.quote_flags, last_flag=self.last_flag
        )


class MarginPreview(models.Model):
    """What IBKR's preview said an order would need of an account; one row for purchases, one for sales.

    The row is also the question: `quantity` is asked about while `wanted_at` is set.
    """

    account = models.ForeignKey(BrokerageAccount, on_delete=models.CASCADE, related_name="margin_previews")
    conid = models.BigIntegerField()
    side = word(Side)
    quantity = amount()
    wanted_at = models.DateTimeField(null=True, blank=True)
    # When IBKR was last asked; it may have given no figure.
    answered_at = models.DateTimeField(null=True, blank=True)
    # IBKR's word: of which order, when, by how much the initial margin would change, and why it would refuse.
    previewed_quantity = optional_amount()
    as_of = models.DateTimeField(null=True, blank=True)
    initial = optional_amount()
    refusal = models.CharField(max_length=300, blank=True, default="", db_default="")
    short = models.BooleanField(default=False, db_default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "conid", "side"], name="one_margin_preview_per_account_contract_and_side"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="margin_preview_is_of_something"),
            models.CheckConstraint(
                condition=Q(as_of__isnull=True) | Q(previewed_quantity__isnull=False, previewed_quantity__gt=0),
                name="margin_preview_says_of_how_many",
            ),
        ]
        indexes = [models.Index(fields=["account"], condition=Q(wanted_at__isnull=False), name="previews_wanted")]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity.normalize():f} of {self.conid} in {self.account_id}"


class ExchangeRate(models.Model):
    """What one unit of `source` is in `target`, by a connection's word. The row is also the question."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="exchange_rates")
    source = models.CharField(max_length=3)
    target = models.CharField(max_length=3)
    rate = models.DecimalField(max_digits=20, decimal_places=10, null=True, blank=True)
    as_of = models.DateTimeField(null=True, blank=True)
    wanted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["connection", "source", "target"], name="one_rate_per_connection_and_currencies"
            ),
            models.CheckConstraint(condition=Q(rate__isnull=True) | Q(rate__gt=0), name="exchange_rate_is_above_zero"),
        ]
        indexes = [models.Index(fields=["connection"], condition=Q(wanted_at__isnull=False), name="rates_wanted")]

    def __str__(self) -> str:
        return f"1 {self.source} = {self.rate} {self.target}"
