"""What people may fill in about connections and orders. Forms read; activities write."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.forms.utils import ErrorDict

from brokers.connections.changes import Fields
from brokers.domain.sessions import AuthMethod, Environment, Region
from brokers.models import BrokerageAccount, Connection

REGIONS = [
    (Region.NORTH_AMERICA, "Americas"),
    (Region.EUROPE, "Europe"),
    (Region.ASIA, "Asia"),
]
REGION_HELP = (
    "Where IBKR serves this user: it restarts there each night. What IBKR says itself counts, once it says so."
)
STATES = [("", "All"), ("open", "Open"), ("doubt", "In doubt"), ("filled", "Filled"), ("over", "Over, not filled")]


class ConnectionForm(forms.Form):
    """One IBKR user. The simulated one needs a name only."""

    environment = forms.ChoiceField(label="Which money")
    name = forms.CharField(
        label="Name",
        max_length=80,
        help_text="How your team will call it.",
        error_messages={"required": "Give the connection a name that your team will know it by."},
    )
    username = forms.CharField(
        label="IBKR user name",
        max_length=64,
        required=False,
        help_text="A user of its own, that nobody signs in with by hand.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}),
    )
    base_url = forms.CharField(
        label="Address of your gateway",
        max_length=300,
        required=False,
        help_text="Where IBKR's Client Portal Gateway, or the proxy before it, listens for this user. "
        "Leave no gateway open to the internet: list in its ips.allow who may ask.",
        widget=forms.URLInput(attrs={"placeholder": "https://gateway.example.com:5000/v1/api", "spellcheck": "false"}),
    )
    # The fingerprint of the certificate that was ticked.
    accepted = forms.CharField(max_length=200, required=False, widget=forms.HiddenInput)
    region = forms.ChoiceField(label="Region", choices=REGIONS, required=False, help_text=REGION_HELP)
    confirm_live = forms.BooleanField(
        label="Signals may trade real money through this connection. I have tried them on paper.", required=False
    )
    account_number = forms.CharField(
        label="Number of the account that is to trade real money",
        max_length=20,
        required=False,
        help_text="As Client Portal shows it. Halyard trades nothing if IBKR shows another account under this user.",
        widget=forms.TextInput(
            attrs={
                "autocomplete": "off",
                "autocapitalize": "characters",
                "spellcheck": "false",
                "placeholder": "U1234567",
            }
        ),
    )

    def __init__(self, *args: Any, of: Connection | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.of = of
        field = self.fields["environment"]
        assert isinstance(field, forms.ChoiceField)
        if of is None:
            offered = [Environment.SIMULATED] * settings.SIMULATOR + [Environment.PAPER, Environment.LIVE]
        else:
            # What money it moves was chosen when it was made.
            offered = [Environment(of.environment)]
            if AuthMethod(of.auth_method).signs:
                del self.fields["base_url"]
        field.choices = [(environment, environment.capitalize()) for environment in offered]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        environment = values.get("environment")
        if environment in {Environment.PAPER, Environment.LIVE}:
            if not values.get("username"):
                self.add_error("username", "Fill in the IBKR user name this connection signs in with.")
            if "base_url" in self.fields and not values.get("base_url"):
                self.add_error("base_url", "Fill in where the gateway of this user can be reached.")
        made_live = environment == Environment.LIVE and self.of is None
        if made_live and not values.get("confirm_live"):
            self.add_error("confirm_live", "Tick this to connect real money.")
        if made_live and not values.get("account_number"):
            self.add_error("account_number", "Type the number of the account that is to trade real money.")
        return values

    def only_the_address(self) -> bool:
        """Whether there is an address to test; whatever else is not filled in yet is no matter."""
        self.full_clean()
        address = str(self.data.get("base_url", "")).strip()
        self._errors = ErrorDict(renderer=self.renderer)
        if not address:
            self.add_error("base_url", "Fill in the address to test.")
        return bool(address)

    def values(self) -> Fields:
        """What was filled in."""
        values = self.cleaned_data
        return Fields(
            name=values["name"],
            username=values["username"],
            environment=Environment(values["environment"]),
            base_url=values.get("base_url", ""),
            region=Region(values["region"] or Region.NORTH_AMERICA),
        )


class ProxyForm(forms.Form):
    """What the proxy before a gateway is shown: a header, or a certificate. Only its own button removes either."""

    part = forms.ChoiceField(choices=[("header", "header"), ("certificate", "certificate")])
    header = forms.CharField(
        label="Name of the header",
        max_length=64,
        required=False,
        help_text="A name of your own, which your proxy looks for.",
        widget=forms.TextInput(attrs={"placeholder": "X-Gateway-Secret", "spellcheck": "false", "autocomplete": "off"}),
    )
    secret = forms.CharField(
        label="Secret",
        max_length=512,
        required=False,
        strip=True,
        help_text="16 to 512 letters, digits and signs, without spaces. It is kept encrypted.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    certificate = forms.CharField(
        label="Certificate",
        max_length=20_000,
        required=False,
        help_text="As PEM, from -----BEGIN CERTIFICATE----- on.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "placeholder": "-----BEGIN CERTIFICATE-----"}),
    )
    key = forms.CharField(
        label="Its key",
        max_length=20_000,
        required=False,
        help_text="As PEM, without a passphrase. It is kept encrypted.",
        widget=forms.Textarea(
            attrs={
                "rows": 4,
                "spellcheck": "false",
                "autocomplete": "off",
                "placeholder": "-----BEGIN PRIVATE KEY-----",
            }
        ),
    )

    @property
    def removes(self) -> bool:
        """Whether the button was pressed that removes the part."""
        return bool(self.data.get("removes"))

    def clean(self) -> dict[str, Any]:
        """Ask for all of the part, unless it is to be removed."""
        values = super().clean() or {}
        names = ("header", "secret") if values.get("part") == "header" else ("certificate", "key")
        for name in names:
            if self.removes:
                values[name] = ""
            elif not values.get(name) and name not in self.errors:
                self.add_error(name, _NEEDED[name])
        return values


_NEEDED = {
    "header": "Name the header, such as X-Gateway-Secret.",
    "secret": "Type the secret that your proxy asks for.",
    "certificate": "Paste the certificate that your proxy asks for.",
    "key": "Paste the key that the certificate was made with.",
}


class ClosingForm(forms.Form):
    """How much of a position is to be closed; nothing filled in means all of it."""

    quantity = forms.DecimalField(
        label="How much",
        max_digits=24,
        decimal_places=8,
        required=False,
        widget=forms.NumberInput(attrs={"inputmode": "decimal", "step": "any", "autofocus": True}),
    )

    def __init__(self, *args: Any, held: Decimal, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = held
        self.fields["quantity"].help_text = f"Leave it empty to close all {held.normalize():f}."
        self.fields["quantity"].widget.attrs["placeholder"] = f"all {held.normalize():f}"

    def clean_quantity(self) -> Decimal | None:
        quantity: Decimal | None = self.cleaned_data["quantity"]
        if quantity is not None and not 0 < quantity <= self.held:
            raise forms.ValidationError(
                f"Between 0 and {self.held.normalize():f} can be closed. Leave it empty for all of it."
            )
        return quantity

    def part(self) -> Decimal | None:
        """The quantity to close; None for the whole position."""
        quantity: Decimal | None = self.cleaned_data["quantity"]
        return None if quantity is None or quantity >= self.held else quantity


class OrderFilter(forms.Form):
    """Which orders a list shows; its state lives in the URL."""

    state = forms.ChoiceField(label="Status", choices=STATES, required=False)
    ticker = forms.CharField(
        label="Ticker",
        max_length=40,
        required=False,
        widget=forms.TextInput(attrs={"data-search": "yes", "placeholder": "Any"}),
    )
    account = forms.ModelChoiceField(
        label="Account",
        queryset=BrokerageAccount.objects.none(),
        to_field_name="code",
        required=False,
        empty_label="All accounts",
    )

    def __init__(self, *args: Any, accounts: QuerySet[BrokerageAccount], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["account"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = accounts
