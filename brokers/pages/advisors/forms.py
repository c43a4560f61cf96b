"""What a person says of a group: its name, its method, who is in, and each account's amount."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from django import forms
from django.http import QueryDict

from brokers.domain.advisors.groups import MOST_AMOUNT, NAME_LENGTH, Group, Member, Method
from brokers.models import BrokerageAccount


class GroupForm(forms.Form):
    """Name and method; who is in is read by `members_of`."""

    name = forms.CharField(
        label="Name",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    method = forms.ChoiceField(
        label="An order is divided by",
        choices=[(str(each), each.label) for each in Method],
        help_text="IBKR computes equal quantity, net liquidation value and available equity. The others take an amount for "
        "each account.",
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """An account as the form offers it; `amount` as it was typed."""

    account_id: str
    title: str
    chosen: bool
    amount: str


def choices_of(
    accounts: Sequence[BrokerageAccount], sent: QueryDict | None, members: Sequence[Member] = ()
) -> list[Choice]:
    """The accounts to choose from, as they were sent, else as the group has them."""
    amounts = {member.account_id: member.amount for member in members}
    offered = []
    for account in accounts:
        number = account.account_id
        if sent is not None:
            chosen, amount = number in sent.getlist("member"), sent.get(f"amount-{number}", "")[:20]
        else:
            given = amounts.get(number)
            chosen, amount = number in amounts, "" if given is None else f"{given.normalize():f}"
        offered.append(Choice(number, account.title, chosen, amount))
    return offered


def group_of(name: str, method: str, offered: Sequence[Choice]) -> Group:
    """The group that was sent; an amount that is none counts as missing."""
    way = Method(method)
    members = tuple(
        Member(each.account_id, _amount(each.amount) if way.takes_amounts else None) for each in offered if each.chosen
    )
    return Group(name=name.strip(), method=way, members=members)


def _amount(text: str) -> Decimal | None:
    try:
        amount = Decimal(text.strip().replace(",", ""))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() and abs(amount) < MOST_AMOUNT else None
