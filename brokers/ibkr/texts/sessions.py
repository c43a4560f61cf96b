"""IBKR's texts about sessions, sign-in, its limits and its servers."""

from __future__ import annotations

from brokers.ibkr.texts.text import Text

SESSION_TEXTS: tuple[Text, ...] = (
    Text(
        "accounts-first",
        r"query /?(iserver/)?(portfolio/)?accounts first|query /portfolio/(sub)?accounts",
        "IBKR wants the accounts read first in a new session. Halyard reads them and tries again; nothing is to be done.",
    ),
    Text(
        "no-brokerage-session",
        r"no bridge|brokerage session (is )?(not|missing)|no brokerage session",
        "IBKR has no brokerage session for this user. Halyard opens it again; sign in at the gateway's page if it stays so.",
    ),
    Text(
        "key-not-active",
        r"invalid consumer|consumer.{0,20}not (active|activated|found)",
        "IBKR has not activated this API key yet. It activates keys overnight, sometimes after the weekend: wait for that.",
    ),
    Text(
        "wrong-oauth-page",
        r"failed to (set key|put consumer)|put consumer info",
        "IBKR could not store the key, because the page belongs to another of its companies. "
        "Open the OAuth page on the website of your own IBKR company.",
    ),
    Text(
        "keys-do-not-match",
        r"invalid signature|signature (is )?(invalid|mismatch|does not match)|invalid (nonce|timestamp)|nonce (already )?used",
        "IBKR could not verify Halyard's signature. Compare the keys of this connection with those uploaded at IBKR.",
    ),
    Text(
        "login-expired",
        r"access token (has )?expired|token (is |has )?(expired|invalid)|invalid (access )?token|session (has )?expired",
        "The login at IBKR has run out, as it does every day. "
        "Halyard renews it where it can; sign in at the gateway's page otherwise.",
    ),
    Text(
        "paper-user-unknown",
        r"not associated with a paper",
        "IBKR knows no paper account for this user name. Reset the paper password in the live Client Portal "
        "(Settings, Account Configuration, Paper Trading Account) and sign in with the paper user name.",
    ),
    Text(
        "session-not-taken-over",
        r"force compete|compete (capability|flag)",
        "IBKR did not hand the session over from another login of this user. "
        "Sign out there (TWS, phone, website), or give this connection its own IBKR user.",
    ),
    Text(
        "competing-session",
        r"compet(ing|e)|another (login|session|client)|logged in (from )?(elsewhere|another)|session.{0,20}(taken|stolen)",
        "Another login of the same IBKR user has the session. Give this connection its own IBKR user.",
    ),
    Text(
        "session-not-kept",
        r"failed to tickle|tickle failed",
        "IBKR could not keep the session alive this time. Halyard asks again, and signs in anew if it must.",
    ),
    Text(
        "stream-waits",
        r"waiting for session",
        "IBKR's live stream waits for a session. Halyard opens it again once the session is there; nothing is to be done.",
    ),
    Text(
        "not-signed-in",
        r"not authenticated|no session|not logged in|please log ?in|login required|unauthori[sz]ed|authentication (failed|required)",
        "Nobody is signed in at IBKR for this user. Sign in at the gateway's page; Halyard continues by itself.",
    ),
    Text(
        "session-gone",
        r"^gone\b",
        "IBKR has closed this login for good. Halyard asks for a new one; sign in at the gateway's page if it stays so.",
    ),
    Text(
        "too-many-suppressed",
        r"messageids must be|at most 51|too many message ?ids",
        "IBKR takes at most 51 kinds of questions to suppress at once. Have whoever runs Halyard shorten the list.",
    ),
    Text(
        "too-many-requests",
        r"too many.{0,30}requests|rate limit|slow down|pacing violation|max(imum)? (rate|number) of (messages|requests)",
        "IBKR limits how often it is asked. Halyard waits as long as IBKR wants it to; nothing is to be done.",
    ),
    Text(
        "not-allowed",
        r"forbidden|access denied|not (authori[sz]ed|entitled)|blocked",
        "IBKR does not allow this user or this server to ask for that. Ask IBKR's API support to allow it.",
    ),
    Text(
        "not-offered",
        r"^(error:? ?)?(404:? ?)?not found\.?$|no such (path|endpoint|resource)|resource not found",
        "IBKR offers nothing of the kind at this connection's address. Check the address, and the gateway's version.",
    ),
    Text(
        "account-search-off",
        r"details currently unavailable",
        "IBKR offers no search for accounts to this user. Choose the account from the list instead.",
    ),
    Text(
        "ibkr-unavailable",
        r"service unavailable|internal (server )?error|server error|gateway time-?out|bad gateway|timed? ?out|maintenance"
        r"|temporarily|try again later|currently unavailable|not available at this time|chart data unavailable|^unknown( error)?\.?$",
        "IBKR's servers could not answer. Halyard asks again where that is safe; look at IBKR's system status if it lasts.",
    ),
)
