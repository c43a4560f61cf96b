"""Who a request comes from: the username in its path, or the one its signature stands for."""

from __future__ import annotations

from aiohttp import web

from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.oauth import signatures
from brokers.simulator.oauth.oauth import NOBODY, AccessToken, Presented
from brokers.simulator.oauth.problems import GONE, TOKEN_EXPIRED, Unauthorised, badly_signed

DEFAULT_USER = "simulated"


def presented(request: web.Request, at: float) -> Presented | None:
    """What was signed; None for a request without an OAuth header."""
    header = request.headers.get("Authorization", "")
    if not header.lower().startswith("oauth"):
        return None
    signed = signatures.read_header(header)
    if signed is None:
        raise badly_signed("the Authorization header cannot be read")
    query = tuple((name, value) for name, value in request.query.items())
    return Presented(method=request.method, urls=_urls(request), signed=signed, query=query, at=at)


def _urls(request: web.Request) -> tuple[str, ...]:
    """Every address a client may have written for this request.

    Its scheme is lost behind a proxy, and some clients name another host in the header than they connect to.
    """
    path = request.raw_path.partition("?")[0]
    hosts = [request.host]
    if request.transport is not None and (here := request.transport.get_extra_info("sockname")):
        hosts += [f"{name}:{here[1]}" for name in (here[0], "127.0.0.1", "localhost")]
    return tuple(f"{scheme}://{host}{path}" for host in dict.fromkeys(hosts) for scheme in ("http", "https"))


def caller(
    gateway: Gateway, signed: Presented | None, username: str | None, path: str
) -> tuple[str, AccessToken | None]:
    """The username behind a request, with the access token when it is signed."""
    if signed is not None and path.startswith("/oauth/"):
        granted = gateway.oauth.tokens.get(signed.signed.get("oauth_token", ""))
        return (granted.username if granted is not None else NOBODY), None
    if signed is None:
        if username is None and gateway.behaviour.oauth_only:
            raise Unauthorised(TOKEN_EXPIRED, "the request is not signed")
        return username or DEFAULT_USER, None
    granted = gateway.oauth.check_hmac(signed, gateway.clock(), slack_s=gateway.behaviour.oauth_slack_s)
    if username not in {None, granted.username}:
        raise Unauthorised(TOKEN_EXPIRED, f"the access token is of {granted.username}, the path of {username}")
    if gateway.oauth.sessions[granted.token].signed_out:
        answer = GONE if path == "/iserver/auth/ssodh/init" else TOKEN_EXPIRED
        raise Unauthorised(answer, "this live session token has signed out")
    return granted.username, granted


def socket_caller(gateway: Gateway, username: str | None, token: str | None) -> str:
    """The username behind a websocket: it names the access token in its query, and signs nothing."""
    if token is None:
        if username is None and gateway.behaviour.oauth_only:
            raise Unauthorised(TOKEN_EXPIRED, "the websocket names no access token")
        return username or DEFAULT_USER
    session = gateway.oauth.sessions.get(token)
    if session is None or session.signed_out or gateway.clock() >= session.until:
        raise Unauthorised(TOKEN_EXPIRED, "there is no live session token in force for this access token")
    return gateway.oauth.tokens[token].username
