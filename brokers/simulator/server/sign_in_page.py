"""The page where a user lets a program trade: the middle of the three-legged flow. It works without JavaScript."""

from __future__ import annotations

import secrets
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from aiohttp import web

from brokers.simulator.gateway.gateway import Gateway
from brokers.simulator.oauth.oauth import NOBODY, OUT_OF_BAND, USERNAME, RequestToken
from brokers.simulator.shapes.accounts import is_live

NOT_PAPER = "This username is not associated with a paper trading account"
_FRAME = Template((Path(__file__).parent / "pages" / "frame.html").read_text())
_FORM = Template((Path(__file__).parent / "pages" / "sign_in.html").read_text())
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def show(gateway: Gateway, token: str) -> web.Response:
    """The page a program sends its user to."""
    request = gateway.oauth.open_request(token, gateway.clock())
    return _expired() if request is None else _form(gateway, request)


def answer(
    gateway: Gateway, token: str, username: str, *, allow: bool, not_paper: bool = False, stray: bool = False
) -> web.Response:
    """What follows the user's answer: the way back, or the same page with what was wrong. `stray`: the way back of another
    browser."""
    request = gateway.oauth.open_request(token, gateway.clock())
    if request is None:
        return _expired()
    if not allow:
        del gateway.oauth.requests[token]
        if gateway.behaviour.oauth_refusal_returns and request.callback != OUT_OF_BAND:
            refused = [("oauth_token", request.token), ("oauth_problem", "permission_denied")]
            return _sent_back(request, refused)
        return _notice("Nothing was allowed", "The program may not trade for you. You can close this page.")
    if not USERNAME.fullmatch(username) or username.lower() == NOBODY:
        return _form(gateway, request, username, "Write a username of letters, digits, dots, dashes and underscores.")
    if not_paper or is_live(gateway, username):
        return _form(gateway, request, username, NOT_PAPER)
    gateway.user(username)
    gateway.oauth.allow(request, username)
    if request.callback == OUT_OF_BAND:
        return _notice("Allowed", f"Give the program this code: {request.verifier}")
    token = secrets.token_hex(10) if stray else request.token
    return _sent_back(request, [("oauth_token", token), ("oauth_verifier", request.verifier)])


def _sent_back(request: RequestToken, answer: list[tuple[str, str]]) -> web.Response:
    """To the program's address with the token, and the proof that the user allowed it or that they refused."""
    parts = urlsplit(request.callback)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *answer]
    back = urlunsplit(parts._replace(query=urlencode(query)))
    return web.Response(status=302, headers=_HEADERS | {"Location": back})


def _form(gateway: Gateway, request: RequestToken, username: str = "", problem: str = "") -> web.Response:
    consumer = gateway.oauth.consumers[request.consumer_key]
    body = _FORM.substitute(
        program=escape(consumer.name),
        consumer_key=escape(consumer.consumer_key),
        token=escape(request.token),
        username=escape(username[:64]),
        problem=f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else "",
    )
    return _page("Sign in", body)


def _expired() -> web.Response:
    text = "This sign-in is unknown, was used, or is older than ten minutes. Start again from the program."
    return _notice("Start again", text, status=400)


def _notice(title: str, text: str, status: int = 200) -> web.Response:
    return _page(title, f"<h1>{escape(title)}</h1>\n<p>{escape(text)}</p>", status)


def _page(title: str, body: str, status: int = 200) -> web.Response:
    text = _FRAME.substitute(title=escape(title), body=body)
    return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)
