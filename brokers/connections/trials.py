"""Trials: an address is called, its certificate looked at, its gateway asked; what was found stays on the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from brokers import certificates, dialing, live
from brokers.connections.connections import PIN, login_of, wake
from brokers.connections.reach import reach_of
from brokers.dialing import DialRefused
from brokers.domain import addresses, trials
from brokers.domain.addresses import AddressRefused, Location
from brokers.domain.brokerage import BrokerError, BrokerUnavailable, LoginRefused, OpenBrokerage
from brokers.domain.certificates import Certificate, fingerprint
from brokers.domain.sessions import Environment, Login, SessionStatus
from brokers.domain.trials import Outcome, Report, Silence, Step
from brokers.models import Connection
from brokers.names import TooManyNames

ADDRESS_STEPS = ("look_up", "dial", "certificate")
ALL_STEPS = (*ADDRESS_STEPS, "session", "accounts")
# The longest of all steps together; each has a limit of its own below it.
LONGEST = 60.0
# ... and of those that a person waits for with the page.
LONGEST_CALL = 20.0
_SILENCES: dict[type[BaseException], Silence] = {
    certificates.NoTls: Silence.NO_TLS,
    certificates.NoHandshake: Silence.HANGS,
    certificates.BrokenOff: Silence.BROKEN_OFF,
}


def try_address(url: str, team: str, now: datetime, pin: str = "") -> Report:
    """Call an address and look at its certificate, without a login. AddressRefused where it is none."""
    location = addresses.location(url)
    steps, certificate = asyncio.run(_called(location, team, now, pin))
    return Report(at=now, steps=trials.not_reached(steps, ADDRESS_STEPS), certificate=certificate)


async def _called(location: Location, team: str, now: datetime, pin: str) -> tuple[list[Step], Certificate | None]:
    try:
        async with asyncio.timeout(LONGEST_CALL):
            return await _call(location, team, now, pin)
    except TimeoutError as late:
        return [trials.not_dialled(location, late)], None


async def try_login(
    login: Login, open_brokerage: OpenBrokerage, clock: Callable[[], datetime], known: BrokerError | None = None
) -> Report:
    """Every step for a login, up to its accounts. Nothing is changed: no session is opened or taken over. `known` is what
    IBKR is known to say of its keys, which is then not asked."""
    certificate: Certificate | None = None
    steps: list[Step] = []
    names: tuple[str, ...] = ALL_STEPS
    try:
        async with asyncio.timeout(LONGEST):
            if login.environment is Environment.SIMULATED:
                names = ("session", "accounts")
            else:
                pin = fingerprint(login.secrets.get(PIN, ""))
                location = addresses.location(login.base_url)
                steps, certificate = await _call(location, login.tenant, clock(), pin)
            if all(step.outcome is Outcome.GOOD for step in steps):
                steps += [trials.failed("session", known)] if known else await _ask(login, open_brokerage)
    except AddressRefused as refusal:
        steps = [trials.not_looked_up(refusal)]
    except TimeoutError:
        late = BrokerUnavailable("No answer came in time. Look at the gateway's own log.", code="trial-too-long")
        steps.append(trials.failed(names[min(len(steps), len(names) - 1)], late))
    return Report(at=clock(), steps=trials.not_reached(steps, names), certificate=certificate)


async def _call(location: Location, team: str, now: datetime, pin: str) -> tuple[list[Step], Certificate | None]:
    within = reach_of(location)
    try:
        within.check_port(location.port)
        with dialing.on_behalf_of(team):
            addresses = await certificates.look_up(location, within)
    except AddressRefused as refusal:
        return [trials.not_looked_up(refusal)], None
    except DialRefused as refused:
        return [trials.not_looked_up(refused.refusal)], None
    except TooManyNames as error:
        return [trials.not_looked_up(AddressRefused(str(error), "too-many-names"))], None
    except OSError:
        unknown = AddressRefused(f"No address is known for {location.host}. Check the spelling.", "unknown-host")
        return [trials.not_looked_up(unknown)], None
    steps = [trials.looked_up(location, addresses)]
    try:
        line = await certificates.dial(location, within, addresses)
    except tuple(_SILENCES) as problem:
        return [*steps, trials.dialled(location, addresses[0]), trials.not_shown(_SILENCES[type(problem)])], None
    except OSError as problem:
        return [*steps, trials.not_dialled(location, problem)], None
    steps.append(trials.dialled(location, line.address))
    if line.certificate is None:
        return [*steps, trials.plain(speaks_tls=await certificates.speaks_tls(location, within, line.address))], None
    return [*steps, trials.shown(line.certificate, pin, now)], line.certificate


async def _ask(login: Login, open_brokerage: OpenBrokerage) -> list[Step]:
    steps: list[Step] = []
    broker = None
    try:
        broker = open_brokerage(login)
        auth = await broker.session()
        steps.append(trials.asked(auth, login.environment))
        if auth.ready:
            steps.append(trials.listed(await broker.accounts(), login.environment))
    except BrokerError as error:
        steps.append(trials.failed("accounts" if steps else "session", error))
    finally:
        if broker is not None:
            await broker.close()
    return steps


def save(connection_pk: int, report: Report) -> None:
    """Keep what a trial found, and show it on open pages."""
    with transaction.atomic():
        rows = Connection.objects.filter(pk=connection_pk)
        rows.update(trial=report.as_json(), trial_asked_at=None)
        # A session that was thought to be open is looked at now, and not with the next minute's tickle.
        if report.outcome is not Outcome.GOOD and rows.filter(enabled=True, session_status=SessionStatus.ACTIVE).update(
            next_try_at=report.at
        ):
            wake()
        if (connection := Connection.objects.filter(pk=connection_pk).first()) is not None:
            live.session_changed(connection)


def login_for(connection_pk: int) -> Login | None:
    """The login of a connection whose trial was asked for; None when it was not, or no more."""
    rows = Connection.objects.filter(pk=connection_pk, trial_asked_at__isnull=False, removed_at=None)
    connection = rows.first()
    return None if connection is None else login_of(connection)


def is_being_opened(connection_pk: int) -> bool:
    """Whether Halyard looks at the session for the first time, or opens it."""
    busy = Q(session_status=SessionStatus.CONNECTING) | Q(session_code="")
    return Connection.objects.filter(busy, pk=connection_pk, enabled=True).exists()


def not_taken(connection_pk: int, now: datetime) -> LoginRefused | None:
    """What IBKR said of keys that it does not take, as long as it is not to be asked again."""
    rows = Connection.objects.filter(pk=connection_pk, enabled=True, next_try_at__gt=now)
    row = rows.filter(session_status__in=(SessionStatus.PENDING, SessionStatus.REVOKED)).first()
    return None if row is None else LoginRefused(f"{row.session_reason} {row.session_action}", code=row.session_code)


def is_too_early(connection_pk: int, report: Report) -> bool:
    """Whether Halyard is still opening the session that the report did not find open: it is worth asking again."""
    if all(step.name != "session" or step.outcome is not Outcome.LOOK for step in report.steps):
        return False
    # One that was made a moment ago has no code yet: Halyard has not looked at its session.
    opens = Q(session_status__in=(SessionStatus.CONNECTING, SessionStatus.ACTIVE)) | Q(session_code="")
    return Connection.objects.filter(opens, pk=connection_pk, enabled=True).exists()


def asked_for(shard: int, shards: int) -> list[int]:
    """Connections of the shard whose trial was asked for."""
    rows = Connection.objects.filter(trial_asked_at__isnull=False, removed_at=None).order_by("trial_asked_at")
    return [pk for pk in rows.values_list("pk", flat=True) if pk % shards == shard]


def is_late(connection: Connection, now: datetime) -> bool:
    """Whether a trial should have had its answer long ago, so that nobody waits for what does not come."""
    asked_at = connection.trial_asked_at
    return asked_at is not None and now - asked_at > timedelta(seconds=LONGEST + 45)


def last(connection: Connection) -> Report | None:
    """What the last trial found."""
    return Report.from_json(connection.trial) if connection.trial else None
