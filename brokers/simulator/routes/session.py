"""Signing in, staying signed in, signing out."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from brokers.simulator.calls import Call, Routes
from brokers.simulator.shapes.accounts import is_live
from brokers.simulator.wire import Answer, error

ROUTES = Routes()


@ROUTES.add("GET POST", "/iserver/auth/status")
def auth_status(call: Call) -> Answer:
    return _nobody(call) or Answer(_status(call))


def _nobody(call: Call) -> Answer | None:
    """The gateway's answer while nobody has signed in at its page."""
    return error("not authenticated", 401) if call.user.session.person_needed else None


def _status(call: Call) -> dict[str, Any]:
    status = call.user.session.status(call.now)
    if not call.gateway.behaviour.says_established:
        del status["established"]
    return status


@ROUTES.add("POST", "/iserver/auth/ssodh/init", "/iserver/reauthenticate")
def init(call: Call) -> Answer:
    body, as_form = _asked(call)
    if not isinstance(body, dict) or body.get("publish", True) is not True:
        return error("Internal Server Error", 500)
    session = call.user.session
    if (nobody := _nobody(call)) is not None:
        return nobody
    if _stays_closed(call, as_form=as_form):
        session.lose()
        return Answer(_status(call))
    compete = body.get("compete") is True or call.path == "/iserver/reauthenticate"
    if not session.init(call.now, call.gateway.behaviour, compete=compete):
        refused = _status(call)
        refused["fail"] = "Force compete capability must be used together with compete flag"
        return Answer(refused)
    call.user.tell_status()
    if call.path == "/iserver/reauthenticate":
        return Answer({"message": "triggered"})
    return Answer(_status(call))


def _asked(call: Call) -> tuple[Any, bool]:
    """What a sign-in asks for, and whether it came as a browser's form."""
    if not call.raw or call.raw.lstrip()[:1] in {b"{", b"["}:
        return call.json(), False
    fields = dict(parse_qsl(call.raw.decode("utf-8", "replace"), max_num_fields=20))
    return {name: value == "true" if value in {"true", "false"} else value for name, value in fields.items()}, True


def _stays_closed(call: Call, *, as_form: bool) -> bool:
    """Whether IBKR opens no brokerage session for this login, or only to one who asks by form."""
    faults = call.gateway.faults
    if faults.held("session_stays_closed", call.user.name, call.now) is not None:
        return True
    return not as_form and faults.held("session_wants_form", call.user.name, call.now) is not None


@ROUTES.add("GET POST", "/tickle")
def tickle(call: Call) -> Answer:
    session = call.user.session
    if not session.signed_in:
        return error("not authenticated", 401)
    number = int(session.token[:7], 16)
    return Answer(
        {
            "session": session.token,
            "ssoExpires": 600_000,
            "collission": False,
            "userId": number,
            "hmds": {"error": "no bridge"},
            "iserver": {"authStatus": _status(call)},
        }
    )


@ROUTES.add("GET", "/sso/validate")
def sso_validate(call: Call) -> Answer:
    session = call.user.session
    if not session.signed_in:
        return error("not authenticated", 401)
    name = call.user.name
    begun = session.initiated_at or call.now
    features: dict[str, Any] = {
        "env": "PROD",
        "wlms": True,
        "realtime": True,
        "bond": True,
        "optionChains": True,
        "calendar": True,
        "newMf": True,
    }
    return Answer(
        {
            "USER_ID": int(session.token[:7], 16),
            "USER_NAME": name,
            "RESULT": True,
            "AUTH_TIME": int(begun * 1000),
            "SF_ENABLED": False,
            "IS_FREE_TRIAL": False,
            "CREDENTIAL": name,
            "IP": "127.0.0.1",
            "EXPIRES": 415_890,
            "QUALIFIED_FOR_MOBILE_AUTH": None,
            "LANDING_APP": "UNIVERSAL",
            "IS_MASTER": False,
            "lastAccessed": int(call.now * 1000),
            "LOGIN_TYPE": 1 if is_live(call.gateway, name) else 2,
            "PAPER_USER_NAME": name,
            "features": features,
            "region": call.gateway.behaviour.place,
        }
    )


@ROUTES.add("POST GET", "/logout")
def logout(call: Call) -> Answer:
    call.user.session.lose()
    call.user.session.signed_in = False
    call.user.session.person_needed = call.gateway.behaviour.person_signs_in
    if call.granted is not None:
        call.gateway.oauth.sign_out(call.granted)
    call.user.tell_status()
    return Answer({"status": True})


@ROUTES.add("POST", "/iserver/questions/suppress")
def suppress(call: Call) -> Answer:
    ids = call.json().get("messageIds")
    if not isinstance(ids, list) or len(ids) > 51 or not all(isinstance(i, str) for i in ids):
        return error("Bad Request: messageIds must be a list of at most 51 ids")
    call.user.session.suppressed.update(ids)
    return Answer({"status": "submitted"})


@ROUTES.add("POST", "/iserver/questions/suppress/reset")
def suppress_reset(call: Call) -> Answer:
    call.user.session.suppressed.clear()
    return Answer({"status": "submitted"})
