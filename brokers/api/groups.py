"""An advisor's groups over REST: as IBKR showed them, and made, changed and removed there, each wish sent once.

A wish is answered with 202 and its row; what became of it is read at `group-changes/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.fields import Amount, Moment, Shown, code
from accounts.api.filters import equals, one_of, public_id
from accounts.api.refusals import Conflict, Refused
from accounts.api.views import ListedAndShown
from accounts.models import Role, Scope
from brokers.advisors import changes, reading
from brokers.api.gateways import Gateways
from brokers.domain.advisors.groups import MOST_CLIENTS, NAME_LENGTH, Group, Member, Method
from brokers.domain.live_money import CONFIRMATION
from brokers.domain.sessions import Environment
from brokers.models import AccountGroup, Advisor, BrokerageAccount, Connection, GroupChange

# The field at fault of what can be mended in the body; what is refused with another code is not possible now.
_FIELD_OF = {
    "group-name": "name",
    "group-name-taken": "name",
    "group-empty": "accounts",
    "group-too-large": "accounts",
    "group-account-unknown": "accounts",
    "group-account-twice": "accounts",
    "group-amount-missing": "accounts",
    "group-percentages": "accounts",
}


class PartSerializer(serializers.Serializer[Any]):
    """An account of a group, by its number at IBKR; `amount` in the unit of the method, null where IBKR computes the shares."""

    account_id = serializers.CharField()
    amount = Amount(max_digits=24, decimal_places=8, allow_null=True)


class KnownPartSerializer(PartSerializer):
    """`account` is null where the account is not among the team's: nothing is opened for the group then."""

    account = serializers.UUIDField(allow_null=True)


class GroupSerializer(Shown):
    """A group as IBKR showed it at `read_at`. `gone_at`: since when IBKR shows it no more; `incomplete`: IBKR shows more of it
    than could be read, so that nothing is opened for it; `carrier`: the advisor's own account, in which its orders are listed;
    `former`: numbers of accounts that have left it."""

    id = code()
    connection = code("connection.code")
    carrier = code("account.code")
    accounts = serializers.SerializerMethodField()
    former = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = AccountGroup
        fields = (
            "id",
            "connection",
            "carrier",
            "name",
            "method",
            "accounts",
            "former",
            "incomplete",
            "read_at",
            "gone_at",
        )

    @extend_schema(responses=KnownPartSerializer(many=True))
    def get_accounts(self, group: AccountGroup) -> list[dict[str, Any]]:
        codes = {each.account_id: each.code for each in group.connection.accounts.all()}
        rows = [
            {"account_id": part.account_id, "amount": part.amount, "account": codes.get(part.account_id)}
            for part in group.parts
        ]
        return list(KnownPartSerializer(rows, many=True).data)


class GroupChangeSerializer(Shown):
    """What somebody wants of a group: `kind` is `make`, `change` or `remove`. It is `asked`, then `sent`, and ends as `done` or
    `refused`, by what IBKR shows afterwards, with the `reason` and its `reason_code`."""

    id = code()
    connection = code("connection.code")
    accounts = serializers.SerializerMethodField()

    class Meta:
        model = GroupChange
        fields = (
            "id",
            "connection",
            "kind",
            "name",
            "method",
            "accounts",
            "status",
            "reason",
            "reason_code",
            "asked_at",
            "sent_at",
            "ended_at",
        )

    @extend_schema(responses=PartSerializer(many=True))
    def get_accounts(self, change: GroupChange) -> list[dict[str, Any]]:
        return list(PartSerializer(change.value.members, many=True).data)


class MemberSerializer(serializers.Serializer[Any]):
    """An account by its number at IBKR; `amount` where the method takes one for each account."""

    account_id = serializers.CharField(max_length=20)
    amount = serializers.DecimalField(max_digits=20, decimal_places=8, required=False, allow_null=True)


class ContentsSerializer(serializers.Serializer[Any]):
    """By what an order of the group is divided, and among whom. Both replace what the group has."""

    method = serializers.ChoiceField([str(each) for each in Method])
    accounts = serializers.ListField(child=MemberSerializer(), max_length=MOST_CLIENTS)


class NewGroupSerializer(ContentsSerializer):
    """A group's name stays: orders and subscriptions go by it."""

    name = serializers.CharField(max_length=NAME_LENGTH)


class LookSerializer(serializers.Serializer[Any]):
    """How old what is known of the connection's groups is. `wanted_at`: since when a look at them, or a change, waits;
    `reason` with its `reason_code`: why the last look came to nothing, empty where it did not."""

    read_at = Moment(allow_null=True)
    wanted_at = Moment(allow_null=True)
    reason = serializers.CharField()
    reason_code = serializers.CharField()


class Groups(ListedAndShown):
    """An advisor's groups of accounts, those that are gone included."""

    queryset = AccountGroup.objects.select_related("connection", "account").prefetch_related(
        Prefetch("connection__accounts", BrokerageAccount.objects.only("code", "account_id", "connection_id"))
    )
    serializer_class = GroupSerializer
    filters = {"connection": public_id("connection__code"), "name": equals("name")}

    @extend_schema(request=ContentsSerializer, responses={202: GroupChangeSerializer})
    def update(self, request: Request, code: str) -> Response:
        """Give the group another method and other accounts. Groups of real money are changed by people only."""
        self.allow(Scope.TRADE, Role.TRADER)
        row: AccountGroup = self.get_object()
        values = self.body(ContentsSerializer)
        return asked(self, row.connection, changes.Kind.CHANGE, group_of(row.name, values))

    @extend_schema(responses={202: GroupChangeSerializer})
    def destroy(self, request: Request, code: str) -> Response:
        """Remove the group at IBKR. Its subscriptions open nothing any more; what its accounts hold stays, and can leave."""
        self.allow(Scope.TRADE, Role.TRADER)
        row: AccountGroup = self.get_object()
        return asked(self, row.connection, changes.Kind.REMOVE, row.value)


class GroupChanges(ListedAndShown):
    """What people and programs wanted of groups, and what became of it."""

    queryset = GroupChange.objects.select_related("connection")
    serializer_class = GroupChangeSerializer
    filters = {
        "connection": public_id("connection__code"),
        "name": equals("name"),
        "status": one_of("status", GroupChange.Status),
    }


class AdvisorsConnections(Gateways):
    """Connections, as far as they are an advisor's."""

    @extend_schema(responses=LookSerializer)
    @action(detail=True, methods=["get"])
    def groups(self, request: Request, code: str) -> Response:
        """When the groups of this connection were read, and whether they are to be read again."""
        return Response(look_at(self.get_object()))

    @extend_schema(request=NewGroupSerializer, responses={202: GroupChangeSerializer})
    @groups.mapping.post
    def make_group(self, request: Request, code: str) -> Response:
        """Make a group of the advisor's clients at IBKR. With real money that takes a person."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.kept_connection()
        values = self.body(NewGroupSerializer)
        return asked(self, connection, changes.Kind.MAKE, group_of(values["name"].strip(), values))

    @extend_schema(request=None, responses={202: LookSerializer})
    @action(detail=True, methods=["post"], url_path="groups/read", url_name="groups-read")
    def read_groups(self, request: Request, code: str) -> Response:
        """Ask IBKR for the groups as they are now; `read_at` moves when they are here."""
        self.allow(Scope.TRADE, Role.TRADER)
        connection = self.kept_connection()
        if not connection.enabled:
            raise Conflict("This connection is off, so IBKR cannot be asked. Switch it on first.", "connection-off")
        reading.want(connection, timezone.now())
        return Response(look_at(connection), status=status.HTTP_202_ACCEPTED)


def look_at(connection: Connection) -> dict[str, Any]:
    """What is known of the groups as a whole, as JSON."""
    return LookSerializer(Advisor.objects.filter(connection=connection).first() or Advisor()).data


def group_of(name: str, values: dict[str, Any]) -> Group:
    """The group that a body asks for; an amount that the method does not take is refused, not dropped."""
    method = Method(values["method"])
    members: Sequence[dict[str, Any]] = values["accounts"]
    if not method.takes_amounts and any(each.get("amount") is not None for each in members):
        raise Refused(
            f"{method.label} takes no amount: IBKR computes each account's part. Leave `amount` out.",
            "group-amount-not-taken",
            "accounts",
        )
    parts = tuple(Member(each["account_id"], each.get("amount")) for each in members)
    return Group(name=name, method=method, members=parts)


def asked(view: ListedAndShown, connection: Connection, kind: changes.Kind, group: Group) -> Response:
    """Write down a wish, and answer with it."""
    if connection.environment == Environment.LIVE:
        raise PermissionDenied(
            "This group divides real money, so it takes a person who has just confirmed who they are, which no token can. Do it "
            "in the browser, on the page of the connection's groups.",
            CONFIRMATION,
        )
    try:
        change = changes.ask(connection=connection, kind=kind, group=group, actor=view.actor, now=timezone.now())
    except changes.GroupRefused as refused:
        if (field := _FIELD_OF.get(refused.code)) is not None:
            raise Refused(str(refused), refused.code, field) from refused
        raise Conflict(str(refused), refused.code) from refused
    return Response(GroupChangeSerializer(change).data, status=status.HTTP_202_ACCEPTED)
