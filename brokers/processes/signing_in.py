"""One connection's session in a process: looked at, written down as it was seen, opened where that is allowed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from brokers.advisors import reading
from brokers.connections import sessions, user_accounts
from brokers.domain.brokerage import Brokerage, BrokerError, BrokerUnavailable, LoginRefused, Paused
from brokers.domain.session.states import Seen, State, Step
from brokers.domain.sessions import AuthStatus, Cause
from brokers.models import BrokerageAccount, Connection
from brokers.postgres.threads import Threads

# Reads what may refuse a login whose session is open.
Check = Callable[[], Awaitable[Any]] | None


class NotSignedIn(Exception):
    """The session cannot trade; `state` is written down already."""

    def __init__(self, state: State) -> None:
        super().__init__(state.reason)
        self.state = state


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningIn:
    """What a process has of one connection's session."""

    connection_pk: int
    broker: Brokerage
    threads: Threads
    clock: Callable[[], datetime]

    async def look(self, cause: Cause, *, check: Check = None) -> State:
        """Ask IBKR for the session's state and write it down. `check` may refuse a login whose session is open."""
        asked_at = self.clock()
        return await self._written(await self._seen(check), asked_at, cause)

    async def _seen(self, check: Check) -> Seen:
        try:
            auth = await self.broker.session()
        except BrokerError as error:
            return error
        return await _checked(auth, check)

    async def _written(self, seen: Seen, asked_at: datetime, cause: Cause) -> State:
        return await self.threads.run(
            sessions.seen, self.connection_pk, seen, self.clock(), cause=cause, asked_at=asked_at
        )

    async def sign_in(self, cause: Cause, *, check: Check = None) -> State:
        """Look, and open the session where that may be done; only under the connection's lock."""
        state = await self.look(cause, check=check)
        if state.can_trade:
            return state
        step, compete = await self.threads.run(sessions.next_step, self.connection_pk, self.clock(), cause=cause)
        if step is Step.WAIT:
            return state
        seen = await self._opened(compete=compete, form=step is Step.FORM)
        if not _is_the_answer(seen):
            # How a sign-in fails is one thing, what the session is afterwards another.
            return await self.look(Cause.OPENING, check=check)
        asked_at = self.clock()
        return await self._written(await _checked(seen, check), asked_at, Cause.OPENING)

    async def prove(self) -> None:
        """Where somebody else may have signed in meanwhile, let the accounts tell whose session it is."""
        connection = await self.threads.run(Connection.objects.get, pk=self.connection_pk)
        if sessions.may_be_another(connection, self.clock()):
            await self.accounts(connection)

    async def accounts(self, connection: Connection) -> list[BrokerageAccount]:
        """The accounts that IBKR shows under this user now, written down; LoginRefused where they are not this
        connection's."""
        facts = await self.broker.accounts()
        accounts = await self.threads.run(
            user_accounts.save_accounts, connection=connection, facts=facts, now=self.clock()
        )
        if any(account.kind == BrokerageAccount.Kind.ADVISOR for account in accounts):
            await self.threads.run(reading.want, connection, self.clock())
        if accounts:
            return accounts
        if facts:
            raise LoginRefused(connection.session_reason, "paper_account", connection.session_code)
        raise LoginRefused("IBKR shows no account under this user.", "paper_account", "no-account")

    async def _opened(self, *, compete: bool, form: bool) -> Seen:
        try:
            return await self.broker.open_session(compete=compete, form=form)
        except BrokerError as error:
            return error


async def _checked(seen: Seen, check: Check) -> Seen:
    """What was seen; or the refusal of a login that is another one than it was connected as."""
    if check is not None and isinstance(seen, AuthStatus) and seen.ready:
        try:
            await check()
        except (LoginRefused, Paused) as problem:
            return problem
        except BrokerError as problem:
            # Until they are read it is not known whose session this is.
            return BrokerUnavailable(str(problem), code="accounts-unread")
    return seen


def _is_the_answer(seen: Seen) -> bool:
    """Whether what a sign-in brought tells the session's state; a page or an empty answer only says that it failed."""
    if isinstance(seen, AuthStatus):
        says_more = seen.authenticated or seen.connected or seen.competing or seen.waiting
        return bool(says_more or seen.code not in {"", "not-signed-in", "sign-in-page"})
    return as_answer(seen) or (isinstance(seen, BrokerUnavailable) and seen.code == "paper-user-not-ready")


def as_answer(error: BrokerError) -> bool:
    """Whether an error of any call says by itself what the session's state is."""
    return isinstance(error, LoginRefused | Paused)
