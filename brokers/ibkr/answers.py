"""A read's answer: its body, or the error that tells the caller what to do next. Pure."""

from __future__ import annotations

from typing import Any

from brokers.domain.brokerage import SLOW_DOWN, BrokerUnavailable, LoginRefused, OrderRefused, Paused, SessionLost
from brokers.domain.session.words import sentence_of
from brokers.domain.sessions import AuthStatus, Environment
from brokers.ibkr import translate
from brokers.ibkr.cleaning import mapping, text
from brokers.ibkr.decoding import NOT_JSON
from brokers.ibkr.lines.requests import Answer
from brokers.ibkr.outcomes import error_text, says_gone
from brokers.ibkr.texts.explained import MOST_OF_A_STATE, About, explained

_ACCOUNTS_FIRST = "query /accounts first"
_SIGNED_OUT = ("no bridge", _ACCOUNTS_FIRST, "not authenticated", "no session")


def wants_accounts_first(answer: Answer) -> bool:
    """True when IBKR only wants /iserver/accounts to be read before this."""
    return answer.status >= 400 and _ACCOUNTS_FIRST in error_text(answer.body).lower()


def demand(answer: Answer) -> Any:
    """The body of a good answer; otherwise the error it stands for."""
    error = error_text(answer.body)
    refuse_login(answer)
    if answer.status == 429:
        raise Paused(SLOW_DOWN, retry_after=answer.retry_after)
    if answer.status == 401 or _signed_out(answer):
        lost = explained(error or "not authenticated", About.SESSION)
        raise SessionLost(lost.in_full(MOST_OF_A_STATE), code=lost.code)
    if answer.status in {400, 403, 404}:
        why = explained(error or _said_by(answer.status), About.READ)
        raise OrderRefused(why.in_full(MOST_OF_A_STATE), code=why.code)
    if answer.status >= 400:
        why = explained(error or "Service Unavailable", About.READ)
        reason = f' IBKR: "{error[:120]}"' if error else ""
        raise BrokerUnavailable(
            f"IBKR could not answer (status {answer.status}). Halyard tries again.{reason}", code=why.code
        )
    if answer.body is NOT_JSON or answer.status >= 300:
        # A gateway that lost its login, and IBKR under maintenance, answer with a page.
        raise SessionLost(
            "IBKR answered with a sign-in or maintenance page instead of data. "
            "Sign in at the gateway's page; Halyard continues by itself.",
            code="sign-in-page",
        )
    return answer.body


def word_of(answer: Answer) -> str:
    """What a good answer says of itself, "submitted" as a rule; otherwise the error it stands for."""
    body = demand(answer)
    if refusal := error_text(body):
        why = explained(refusal, About.READ)
        raise OrderRefused(why.in_full(MOST_OF_A_STATE), code=why.code)
    return text(mapping(body).get("status"), 100, "")


def _said_by(status: int) -> str:
    return {403: "Forbidden", 404: "Not Found"}.get(status, "Bad Request")


def demand_cancel(answer: Answer, broker_order_id: str) -> None:
    """IBKR took the request to cancel; otherwise the error that its answer stands for."""
    if answer.status == 404 or says_gone(error_text(answer.body)):
        raise OrderRefused(
            f"IBKR has no working order {broker_order_id}; it may be filled or canceled. Halyard looks up how it ended.",
            code="unknown-order",
        )
    if answer.status in {400, 403} and not _signed_out(answer):
        _refuse_cancel(error_text(answer.body) or _said_by(answer.status))
    if refusal := error_text(demand(answer)):
        _refuse_cancel(refusal)


def _refuse_cancel(text: str) -> None:
    why = explained(text, About.CANCEL)
    raise OrderRefused(why.in_full(), code=why.code)


def _signed_out(answer: Answer) -> bool:
    return any(phrase in error_text(answer.body).lower() for phrase in _SIGNED_OUT)


def refuse_login(answer: Answer) -> None:
    """Raise when no sign-in will help until a person acts."""
    if answer.status == 401 and "invalid consumer" in error_text(answer.body).lower():
        raise LoginRefused(
            "IBKR has not activated this API key yet. It activates keys overnight, sometimes after the weekend: "
            "wait for that.",
            code="key-not-active",
        )


def session_status(answer: Answer, status_body: Any = None, *, forbids: str = "not-allowed") -> AuthStatus:
    """The status an answer about the session carries; a refused or empty one means signed out. `forbids` is the code of
    who answers 403."""
    refuse_login(answer)
    body = answer.body if status_body is None else status_body
    error = error_text(answer.body)
    if answer.status < 400 and (answer.status >= 300 or answer.body is NOT_JSON):
        # The gateway's own login page, or a program that is no gateway.
        sends = (
            "sends Halyard to another address, which it does not follow" if answer.status >= 300 else "sends a web page"
        )
        message = (
            f"What answers at the gateway's address {sends}. Log in at the gateway's page; if somebody is logged in there, "
            "check the address."
        )
        return AuthStatus(
            authenticated=False,
            connected=False,
            competing=False,
            message=message,
            code="sign-in-page",
            page=True,
        )
    if answer.status in {400, 401, 410}:
        # The gateway of a person knows no user until that person logs in at its page.
        message = (
            "Nobody is signed in at IBKR for this user. Log in at the gateway's page; Halyard continues by itself."
        )
        code = "session-gone" if answer.status == 410 else _signed_out_code(error)
        return AuthStatus(authenticated=False, connected=False, competing=False, message=message, code=code)
    if answer.status == 200:
        return translate.auth_status(body, message=error)
    if answer.status == 403:
        raise LoginRefused(sentence_of(forbids), code=forbids)
    if answer.status == 404:
        raise BrokerUnavailable(
            "There is no IBKR gateway at this connection's address. Check the address.", code="no-gateway"
        )
    demand(answer)
    raise BrokerUnavailable(f"IBKR answered {answer.status} about the session. Halyard tries again.")


def _signed_out_code(error: str) -> str:
    return explained(error, About.SESSION).code if error else "not-signed-in"


def check_environment(accounts: Any, environment: Environment) -> None:
    """Refuse a login that is not what it was connected as, for paper and live are never mixed; and one of IBKR Lite."""
    if not isinstance(accounts, dict):
        return
    if environment is not Environment.SIMULATED:
        _check_money(accounts, environment)
    if mapping(accounts, "allowFeatures").get("liteUser"):
        raise LoginRefused(sentence_of("lite-account"), help_page="lite", code="lite-account")


def _check_money(accounts: dict[str, Any], environment: Environment) -> None:
    is_paper = bool(accounts.get("isPaper"))
    if environment is Environment.PAPER and not is_paper:
        raise LoginRefused(
            "This IBKR user trades live money, but was connected as paper. Connect the paper trading user instead.",
            help_page="paper_account",
            code="user-is-live",
        )
    if environment is Environment.LIVE and is_paper:
        raise LoginRefused(
            "This IBKR user is a paper trading user, but was connected as live. Connect it as paper.",
            help_page="paper_account",
            code="user-is-paper",
        )
