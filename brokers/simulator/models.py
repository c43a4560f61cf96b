"""The gateway's own books. They know no table outside this app."""

from django.db import models
from django.db.models import F, Q


class SimUser(models.Model):
    """A username that signs in to the simulated broker."""

    username = models.CharField(max_length=64, primary_key=True)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.username


class SimAccount(models.Model):
    """A brokerage account of a username."""

    account_id = models.CharField(max_length=16, primary_key=True)
    user = models.ForeignKey(SimUser, on_delete=models.CASCADE, related_name="accounts")
    base_currency = models.CharField(max_length=3, default="USD")
    kind = models.CharField(max_length=6, default="margin")
    advisor = models.BooleanField(default=False)
    master_id = models.CharField(max_length=16, blank=True)
    day = models.DateField(null=True)
    day_equity = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    day_realized = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    opened_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=["margin", "cash", "lite"]), name="sim_account_kind_is_known"),
            models.CheckConstraint(
                condition=Q(advisor=False) | Q(master_id=""), name="sim_account_advises_or_is_advised"
            ),
        ]

    def __str__(self) -> str:
        return self.account_id


class SimCash(models.Model):
    """The balance of one currency."""

    key = models.CharField(max_length=32, primary_key=True)
    account = models.ForeignKey(SimAccount, on_delete=models.CASCADE, related_name="cash")
    currency = models.CharField(max_length=3)
    balance = models.DecimalField(max_digits=24, decimal_places=8)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "currency"], name="one_sim_balance_per_account_and_currency"),
        ]

    def __str__(self) -> str:
        return self.key


class SimPosition(models.Model):
    """A signed holding."""

    key = models.CharField(max_length=32, primary_key=True)
    account = models.ForeignKey(SimAccount, on_delete=models.CASCADE, related_name="positions")
    conid = models.BigIntegerField()
    quantity = models.DecimalField(max_digits=24, decimal_places=8)
    average_price = models.DecimalField(max_digits=24, decimal_places=8)
    realized = models.DecimalField(max_digits=24, decimal_places=8)
    settled_quantity = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    settled_profit = models.DecimalField(max_digits=24, decimal_places=8, default=0)
    settled_on = models.DateField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "conid"], name="one_sim_position_per_account_and_contract"),
        ]

    def __str__(self) -> str:
        return self.key


class SimProceeds(models.Model):
    """Money of a sale on its way to settled cash; numbered after its fill, so that it is paid once."""

    number = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(SimAccount, on_delete=models.CASCADE, related_name="proceeds")
    currency = models.CharField(max_length=3)
    amount = models.DecimalField(max_digits=24, decimal_places=8)
    settles_at = models.DateTimeField()
    settled = models.BooleanField()

    class Meta:
        verbose_name_plural = "sim proceeds"
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="sim_proceeds_positive"),
        ]

    def __str__(self) -> str:
        return str(self.number)


class SimAdvisor(models.Model):
    """An advisor's groups of accounts, and how new ones behave."""

    user = models.OneToOneField(SimUser, on_delete=models.CASCADE, primary_key=True, related_name="advisor")
    groups = models.JSONField()
    presets = models.JSONField()

    def __str__(self) -> str:
        return self.user_id


class SimOrder(models.Model):
    """An order the simulated broker accepted."""

    order_id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(SimAccount, on_delete=models.CASCADE, related_name="orders")
    conid = models.BigIntegerField()
    side = models.CharField(max_length=4)
    order_type = models.CharField(max_length=16)
    quantity = models.DecimalField(max_digits=24, decimal_places=8)
    tif = models.CharField(max_length=4)
    limit_price = models.DecimalField(max_digits=24, decimal_places=8, null=True)
    stop_price = models.DecimalField(max_digits=24, decimal_places=8, null=True)
    trailing_type = models.CharField(max_length=3, blank=True)
    trailing_amount = models.DecimalField(max_digits=24, decimal_places=8, null=True)
    reference = models.CharField(max_length=64, blank=True)
    parent_id = models.BigIntegerField(null=True)
    oca_group = models.CharField(max_length=32, blank=True)
    outside_rth = models.BooleanField()
    status = models.CharField(max_length=16)
    held = models.BooleanField()
    triggered = models.BooleanField()
    filled = models.DecimalField(max_digits=24, decimal_places=8)
    average_price = models.DecimalField(max_digits=24, decimal_places=8)
    reason = models.TextField(blank=True)
    good_till = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    legs = models.JSONField(default=list, blank=True)
    fa_group = models.CharField(max_length=64, blank=True)
    fa_method = models.CharField(max_length=2, blank=True)
    shares = models.JSONField(default=dict, blank=True)
    dealt = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="sim_order_quantity_positive"),
            models.CheckConstraint(
                condition=Q(filled__gte=0) & Q(filled__lte=F("quantity")), name="sim_order_never_overfilled"
            ),
            models.CheckConstraint(condition=Q(side__in=["BUY", "SELL"]), name="sim_order_buys_or_sells"),
        ]
        indexes = [models.Index(fields=["updated_at"], name="sim_order_updated")]

    def __str__(self) -> str:
        return str(self.order_id)


class SimExecution(models.Model):
    """One fill."""

    number = models.BigIntegerField(primary_key=True)
    order = models.ForeignKey(SimOrder, on_delete=models.CASCADE, related_name="executions")
    account = models.ForeignKey(SimAccount, on_delete=models.CASCADE, related_name="executions")
    conid = models.BigIntegerField()
    side = models.CharField(max_length=4)
    quantity = models.DecimalField(max_digits=24, decimal_places=8)
    price = models.DecimalField(max_digits=24, decimal_places=8)
    commission = models.DecimalField(max_digits=24, decimal_places=8)
    currency = models.CharField(max_length=3, default="USD")
    net_amount = models.DecimalField(max_digits=24, decimal_places=8)
    exchange = models.CharField(max_length=16)
    reference = models.CharField(max_length=64, blank=True)
    executed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="sim_execution_quantity_positive"),
        ]
        indexes = [models.Index(fields=["executed_at"], name="sim_execution_executed")]

    def __str__(self) -> str:
        return str(self.number)


class SimQuote(models.Model):
    """A price somebody posted, in force until it lapses."""

    conid = models.BigIntegerField(primary_key=True)
    bid = models.DecimalField(max_digits=24, decimal_places=8)
    ask = models.DecimalField(max_digits=24, decimal_places=8)
    last = models.DecimalField(max_digits=24, decimal_places=8)
    posted_at = models.DateTimeField()
    until = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.conid)


class SimSplit(models.Model):
    """A share that was split: `new` shares for `old` ones, and the number it is listed under since."""

    number = models.BigIntegerField(primary_key=True)
    conid = models.BigIntegerField()
    becomes = models.BigIntegerField()
    new = models.IntegerField()
    old = models.IntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(new__gt=0, old__gt=0), name="sim_split_is_of_shares"),
        ]

    def __str__(self) -> str:
        return f"{self.new} for {self.old} of {self.conid}"


class SimCounter(models.Model):
    """The highest number that was in use before rows were deleted, so that no number is used twice."""

    name = models.CharField(max_length=32, primary_key=True)
    value = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} {self.value}"


class SimConsumer(models.Model):
    """A program that may sign requests with its own keys; only the public halves are here."""

    consumer_key = models.CharField(max_length=64, primary_key=True)
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=8)
    party = models.CharField(max_length=5)
    signature_key = models.TextField()
    encryption_key = models.TextField()
    dh_prime = models.TextField()
    dh_generator = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["pending", "active", "revoked"]), name="sim_consumer_state_is_known"
            ),
            models.CheckConstraint(condition=Q(party__in=["first", "third"]), name="sim_consumer_is_first_or_third"),
        ]

    def __str__(self) -> str:
        return self.consumer_key


class SimAccessToken(models.Model):
    """What a username granted to a consumer; the secret changes with every grant, the token never."""

    token = models.CharField(max_length=20, primary_key=True)
    consumer = models.ForeignKey(SimConsumer, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(SimUser, on_delete=models.CASCADE, related_name="tokens")
    secret = models.CharField(max_length=128)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["consumer", "user"], name="one_sim_token_per_consumer_and_user"),
        ]

    def __str__(self) -> str:
        return self.token


class SimAlert(models.Model):
    """An alert on an account, as its owner asked for it."""

    alert_id = models.BigIntegerField(primary_key=True)
    account = models.ForeignKey(SimAccount, on_delete=models.CASCADE, related_name="alerts")
    asked = models.JSONField()
    active = models.BooleanField()
    deleted = models.BooleanField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.alert_id)
