"""Subscriptions: a strategy followed by a brokerage account, on terms that never change, only get successors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from accounts import audit
from accounts.models import Team, User
from brokers.domain.live_money import NO_CONSENT, Consent, require
from brokers.domain.sessions import Environment
from brokers.models import AccountGroup, BrokerageAccount, Ticket
from brokers.protection import choosing
from strategies.domain.plan.plan import Terms
from strategies.models import Strategy, Subscription, TermsVersion


class SubscriptionRefused(ValueError):
    """The message is a sentence for people."""


def defaults_of(strategy: Strategy) -> Terms:
    """What a new subscription of the strategy starts with."""
    return Terms() if strategy.defaults is None else Terms.from_json(strategy.defaults)


@transaction.atomic
def subscribe(
    *,
    team: Team,
    strategy: Strategy,
    account: BrokerageAccount,
    terms: Terms,
    actor: User | None,
    now: datetime,
    linked: bool = False,
    group: AccountGroup | None = None,
) -> Subscription:
    """A new subscription, switched off until somebody enables it. `linked`: its terms are the strategy's defaults.

    `group`: the advisor's group that it trades for; `account` is then the one that carries the group.
    """
    _check_group(account, group)
    if linked:
        terms = defaults_of(_locked(strategy))
    try:
        with transaction.atomic():
            subscription = Subscription.objects.create(
                team=team, strategy=strategy, account=account, group=group, created_at=now, linked=linked
            )
    except IntegrityError as error:
        raise SubscriptionRefused(
            f"{account.account_id if group is None else group.name} already follows {strategy.name}. Change the terms of that subscription instead."
        ) from error
    audit.record(
        team=team,
        actor=actor,
        action="subscription.made",
        subject=f"{strategy.name} on {account if group is None else group}"[:120],
        after={"linked": linked, **({} if group is None else {"group": group.name, "account": account.account_id})},
        now=now,
    )
    new_version(subscription=subscription, terms=terms, actor=actor, now=now)
    return subscription


def _check_group(account: BrokerageAccount, group: AccountGroup | None) -> None:
    """Raise SubscriptionRefused where account and group do not go together."""
    if group is None and account.kind == BrokerageAccount.Kind.ADVISOR:
        raise SubscriptionRefused(
            f"{account.account_id} is an advisor's own account, and IBKR divides what is ordered there. Choose a group, or a "
            "client's account."
        )
    if group is not None and group.account_id != account.pk:
        raise SubscriptionRefused("A subscription is for an account or for a group, not for both. Choose one of them.")
    if group is not None and group.gone_at is not None:
        raise SubscriptionRefused(f"IBKR shows no group {group.name} any more. Look at the groups again.")


def _locked(strategy: Strategy) -> Strategy:
    """The strategy's row, so that its defaults stay what they are until this is written down."""
    return Strategy.objects.select_for_update(no_key=True).get(pk=strategy.pk)


@transaction.atomic
def set_terms(*, subscription: Subscription, terms: Terms, actor: User | None, now: datetime) -> TermsVersion:
    """A new version of the terms, used by every decision from now on."""
    locked = Subscription.objects.select_for_update().get(pk=subscription.pk)
    if locked.linked:
        raise SubscriptionRefused("Its terms are the strategy's defaults. Unlink it, or change the defaults.")
    return new_version(subscription=subscription, terms=terms, actor=actor, now=now)


@transaction.atomic
def new_version(
    *, subscription: Subscription, terms: Terms, actor: User | None, now: datetime, cause: str = ""
) -> TermsVersion:
    """The next version of the terms. `cause` names its action in the audit, where it is not an edit."""
    locked = Subscription.objects.select_for_update().get(pk=subscription.pk)
    last = locked.terms_versions.aggregate(last=Max("number"))["last"] or 0
    before = locked.terms.values if locked.terms else None
    version = TermsVersion.objects.create(
        subscription=locked, number=last + 1, values=terms.to_json(), set_by=actor, set_at=now
    )
    Subscription.objects.filter(pk=locked.pk).update(terms=version)
    choosing.hold(Ticket.objects.filter(decision__subscription=locked), terms.missing_stop)
    subscription.terms = version
    audit.record(
        team=locked.team,
        actor=actor,
        action=f"subscription.{cause or 'terms_set'}",
        subject=str(locked.code),
        before=before,
        after=version.values,
        now=now,
    )
    return version


@transaction.atomic
def roll_back(*, subscription: Subscription, number: int, actor: User | None, now: datetime) -> TermsVersion:
    """The terms of an earlier version again, as a new one; the way back from it is another of the kind."""
    locked = Subscription.objects.select_for_update().get(pk=subscription.pk)
    if locked.linked:
        raise SubscriptionRefused("Its terms are the strategy's defaults. Unlink it before going back to earlier ones.")
    earlier = locked.terms_versions.filter(number=number).first()
    if earlier is None:
        raise SubscriptionRefused(f"This subscription never had terms {number}.")
    if locked.terms is not None and locked.terms.value() == earlier.value():
        raise SubscriptionRefused(f"Terms {number} are what holds already.")
    return new_version(subscription=subscription, terms=earlier.value(), actor=actor, now=now, cause="rolled_back")


@transaction.atomic
def clone(
    *,
    subscription: Subscription,
    strategy: Strategy,
    account: BrokerageAccount,
    actor: User | None,
    now: datetime,
    group: AccountGroup | None = None,
) -> Subscription:
    """Another subscription of the team on the same terms, switched off. To the same strategy, it stays linked."""
    terms = subscription.terms.value() if subscription.terms else defaults_of(strategy)
    linked = subscription.linked and strategy.pk == subscription.strategy_id
    copy = subscribe(
        team=subscription.team,
        strategy=strategy,
        account=account,
        group=group,
        terms=terms,
        actor=actor,
        now=now,
        linked=linked,
    )
    audit.record(
        team=subscription.team,
        actor=actor,
        action="subscription.cloned",
        subject=str(copy.code),
        before={"from": str(subscription.code)},
        now=now,
    )
    return copy


@transaction.atomic
def link(*, subscription: Subscription, actor: User | None, now: datetime) -> TermsVersion | None:
    """From now on its terms are the strategy's defaults; the new version, or None where they are the same already."""
    terms = defaults_of(_locked(subscription.strategy))
    locked = Subscription.objects.select_for_update().get(pk=subscription.pk)
    _set_link(subscription, True, actor, now)
    if locked.terms is not None and locked.terms.value() == terms:
        return None
    return new_version(subscription=subscription, terms=terms, actor=actor, now=now, cause="linked_terms_set")


@transaction.atomic
def unlink(*, subscription: Subscription, actor: User | None, now: datetime) -> None:
    """It keeps its terms, and they are its own from now on."""
    _set_link(subscription, False, actor, now)


def _set_link(subscription: Subscription, linked: bool, actor: User | None, now: datetime) -> None:
    if Subscription.objects.filter(pk=subscription.pk, linked=not linked).update(linked=linked, linked_by=actor):
        action = f"subscription.{'linked' if linked else 'unlinked'}"
        audit.record(team=subscription.team, actor=actor, action=action, subject=str(subscription.code), now=now)
    subscription.linked = linked


@transaction.atomic
def enable(*, subscription: Subscription, actor: User | None, consent: Consent = NO_CONSENT, now: datetime) -> None:
    """From now on signals of the strategy become orders in the account; raise LiveMoneyRefused without a consent to it."""
    rows = Subscription.objects.select_for_update(of=("self",)).select_related("account__connection")
    _require_consent([rows.get(pk=subscription.pk)], consent)
    _switch(subscription, True, actor, now)


@transaction.atomic
def disable(*, subscription: Subscription, actor: User | None, now: datetime) -> None:
    """Signals of the strategy no longer reach the account. Orders already made go on."""
    _switch(subscription, False, actor, now)


@transaction.atomic
def switch_all(
    *,
    team: Team,
    codes: Iterable[UUID],
    enabled: bool,
    actor: User | None,
    consent: Consent = NO_CONSENT,
    now: datetime,
) -> int:
    """Switch those of the team's subscriptions that are not so yet; returns how many were. All of them or none."""
    rows = Subscription.objects.filter(team=team, code__in=list(codes), enabled=not enabled, terms__isnull=False)
    # In one order, as everybody who locks several of them.
    locked = list(rows.select_for_update(of=("self",)).select_related("team", "account__connection").order_by("pk"))
    if enabled:
        _require_consent(locked, consent)
    for subscription in locked:
        _switch(subscription, enabled, actor, now)
    return len(locked)


def _require_consent(subscriptions: Sequence[Subscription], consent: Consent) -> None:
    """Raise LiveMoneyRefused unless the consent covers every account of real money that is switched on."""
    live = {row.account.account_id for row in subscriptions if not row.enabled and trades_real_money(row)}
    if live:
        require(consent, live)


def trades_real_money(subscription: Subscription) -> bool:
    """Whether its orders move real money."""
    return subscription.account.connection.environment == Environment.LIVE


def _switch(subscription: Subscription, enabled: bool, actor: User | None, now: datetime) -> None:
    who = {"enabled_by": actor} if enabled else {}
    if Subscription.objects.filter(pk=subscription.pk, enabled=not enabled).update(enabled=enabled, **who):
        action = f"subscription.{'enabled' if enabled else 'disabled'}"
        audit.record(team=subscription.team, actor=actor, action=action, subject=str(subscription.code), now=now)
    subscription.enabled = enabled
