"""What each state of a session says: why the connection cannot trade, and what to do about it, by its stable code."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """`action` is empty where nothing is to be done."""

    reason: str
    action: str = ""


_OWN_USER = "Give this connection an IBKR user of its own, that nobody signs in with by hand."
SIGNS_IN_ITSELF = "Halyard signs in again by itself; nothing is to be done."
_SIGN_IN = "Sign in at the gateway's page; Halyard continues by itself."

WORDS: dict[str, Words] = {
    "signed-in": Words("Signed in at IBKR; orders can be sent."),
    # It is being opened
    "session-opens": Words(
        "IBKR has accepted the sign-in and is opening the brokerage session; nothing is to be done."
    ),
    "session-waits": Words("IBKR asks to be waited for while it opens the brokerage session; nothing is to be done."),
    "session-closed": Words(
        "IBKR has no brokerage session open for this user; Halyard opens it. Nothing is to be done."
    ),
    "session-ended": Words("IBKR has ended the brokerage session; Halyard opens it again. Nothing is to be done."),
    "taking-over": Words("Halyard takes the session back from another login of this user. Nothing is to be done."),
    # Another login has it
    "competing-session": Words(
        "IBKR gave this session to another login of the same user (TWS, phone or website). Halyard takes it back.",
        _OWN_USER,
    ),
    "left-to-person": Words(
        "IBKR gave this session to another login of the same user, and Halyard leaves it to them for a while. "
        "It takes the session back afterwards, and at once when an exit is due.",
        "Sign out there, or take it back now.",
    ),
    "left-to-others": Words(
        "IBKR gave this session to another login of the same user, and this connection yields: no order leaves.",
        "Sign out there, or take it back now.",
    ),
    "takeovers-used-up": Words(
        "Another login of the same user keeps taking the session. "
        "Halyard took it back three times in ten minutes and stops for now.",
        f"Sign out there (TWS, phone, website). {_OWN_USER}",
    ),
    "session-not-taken-over": Words(
        "IBKR did not hand the session over from another login of this user; Halyard tries again.",
        f"Sign out there (TWS, phone, website). {_OWN_USER}",
    ),
    # Somebody is signed in, and it does not open
    "session-does-not-open": Words(
        "Somebody is signed in, but IBKR has not opened the brokerage session; Halyard tries again, more and more seldom.",
        "Log out at the gateway's page and in again.",
    ),
    "identity-check": Words(
        "Somebody is signed in, and IBKR still does not open the brokerage session. "
        "It does so where its website wants another check of who you are.",
        "Log in to IBKR's website, answer what it asks, then log out at the gateway's page and in again.",
    ),
    "session-slow": Words(
        "IBKR has accepted the sign-in and has not finished opening the brokerage session; Halyard keeps asking.",
        "Log out at the gateway's page and in again if it stays so.",
    ),
    "paper-user-not-ready": Words(
        "IBKR opens no API session for this paper user yet; a new paper account can take days, up to two weeks.",
        "Log in to it once on IBKR's website. Halyard asks again every hour.",
    ),
    "session-gone": Words(
        "IBKR has closed this login for good and opens no session with it.", "Sign in at the gateway's page again."
    ),
    "accounts-unread": Words(
        "IBKR is signed in, but does not show the user's accounts, so it is not known whose money this is and no order leaves.",
        "Look at the gateway's own log if it lasts; Halyard asks again.",
    ),
    # Nobody is signed in
    "not-signed-in": Words("Nobody is signed in at IBKR for this user.", _SIGN_IN),
    "sign-in-page": Words("The gateway answers with its sign-in page, so nobody is signed in for this user.", _SIGN_IN),
    "login-expired": Words("The login at IBKR has run out, as it does every day.", _SIGN_IN),
    "login-ended-overnight": Words("IBKR's restart ended the login, as it does every night.", _SIGN_IN),
    # IBKR is away
    "nightly-restart": Words("IBKR restarts its servers at this hour; Halyard signs in again when it is back."),
    "weekend-maintenance": Words("IBKR maintains its servers on Friday night; Halyard signs in again when it is back."),
    "not-reached": Words(
        "Nobody answers at the gateway's address; Halyard keeps asking.",
        "Check that the gateway runs and that this server may reach it.",
    ),
    "ibkr-unavailable": Words(
        "The gateway answers, but IBKR's servers do not; Halyard asks again.",
        "Look at IBKR's system status if it lasts.",
    ),
    # What answers shows another certificate, or none
    "certificate-changed": Words(
        "The gateway shows another certificate than the accepted one, so nothing was sent to it. It may have been set up "
        "anew, or something stands between.",
        "Compare the new certificate with your gateway's, and accept it only if it is yours.",
    ),
    "certificate-unknown": Words(
        "The gateway shows a certificate that no known authority signed, as IBKR's own does, and nobody has accepted it "
        "yet. Nothing was sent.",
        "Compare it with your gateway's, and accept it if it is yours.",
    ),
    "certificate-of-another-name": Words(
        "The gateway's certificate was made for another name than the one in this connection's address. Nothing was sent.",
        "Edit the address to the name in the certificate, or accept the certificate if it is your gateway's.",
    ),
    "certificate-over": Words(
        "The certificate at the gateway's address has ended. Nothing was sent.",
        "Renew it there, and Halyard goes on by itself; or accept it as it is.",
    ),
    "certificate-early": Words(
        "The certificate at the gateway's address is not valid yet. Nothing was sent.",
        "Check the clock of the gateway's machine; Halyard goes on by itself.",
    ),
    "gateway-speaks-http": Words(
        "The address begins with https://, and what answers there speaks plain http. Nothing was sent.",
        "Edit the address, or let the gateway speak TLS (listenSsl: true in its conf.yaml).",
    ),
    "gateway-speaks-https": Words(
        "The address begins with http://, and what answers there speaks https.",
        "Edit the address so that it begins with https://.",
    ),
    "handshake-unanswered": Words(
        "Something takes the call at the gateway's address and does not finish the TLS handshake. Nothing was sent.",
        "Start the gateway anew, and check that the port is its own.",
    ),
    "tls-broken-off": Words(
        "What answers at the gateway's address broke the TLS handshake off. Nothing was sent.",
        "Check that the port is the gateway's, and that its ips.allow lets this server ask.",
    ),
    "client-certificate-wanted": Words(
        "What stands before the gateway wants a client certificate, and does not take what Halyard shows.",
        "Keep the certificate that it takes on the page of the proxy before the gateway.",
    ),
    # Somebody says no, with 403
    "not-allowed": Words(
        "IBKR takes no requests from this server: it answers 403 to all of them.",
        "Ask IBKR's API support to lift the block.",
    ),
    "gateway-forbids": Words(
        "The gateway answers 403: its ips.allow does not list this server, or IBKR has blocked the gateway.",
        "List this server's address under ips.allow in the gateway's conf.yaml, and start the gateway anew.",
    ),
    "proxy-refuses": Words(
        "The proxy before the gateway answers 403: it does not take what Halyard shows it.",
        "Compare the header's secret and the certificate, on the page of the proxy, with what the proxy asks for.",
    ),
    # Whose accounts they are
    "lite-account": Words(
        "This is a login of IBKR Lite: IBKR takes no orders for it from programs, so none leaves.",
        "Change the account's plan to IBKR Pro in Client Portal, then test the connection.",
    ),
    # Keys
    "key-not-active": Words(
        "IBKR has not activated this consumer key yet. It activates keys overnight, sometimes after the weekend; "
        "up to two weeks have been seen.",
        "Wait for that; Halyard asks every half hour.",
    ),
    "key-never-active": Words(
        "IBKR has not activated this consumer key for two weeks, which is not normal.",
        "Compare its nine letters and the three files with IBKR's page, or ask IBKR's API support.",
    ),
    "key-withdrawn": Words(
        "IBKR took this consumer key before and does not know it any more: it was deleted or suspended on IBKR's page.",
        "Look at the key on IBKR's OAuth page, or give this connection new keys.",
    ),
    "token-revoked": Words(
        "IBKR does not know this access token any more: it was revoked, or it belongs to another consumer key.",
        "Generate a token on IBKR's page again, and give this connection the token and its secret.",
    ),
    # People
    "another-user": Words(
        "IBKR shows none of the accounts that this user had: somebody else is signed in at the gateway. No order leaves.",
        "Log out at the gateway's page and in as this user; where the user was meant to change, edit the connection.",
    ),
    "consent-missing": Words(
        "Nobody has switched real money on for this connection by typing the number of its account, so no order leaves.",
        "Type the number of its account on the connection's page.",
    ),
    "switched-off": Words("This connection is switched off."),
    "switched-on": Words("It has just been switched on; Halyard is signing in."),
}
# The same at a gateway, where Halyard has no key: what answers there signs with one of its own, or is no gateway.
WORDS_OF_A_GATEWAY: dict[str, Words] = {
    "key-not-active": Words(
        'IBKR answers "invalid consumer": the program at this address signs with an OAuth consumer key that IBKR has not '
        "activated, or does not know.",
        "If its key is new, wait; IBKR activates keys overnight. IBKR's own gateway uses no key: if you run that one, "
        "check the address.",
    ),
    "key-never-active": Words(
        'IBKR has answered "invalid consumer" for two weeks: it does not know the OAuth consumer key of the program at this '
        "address.",
        "Check the key of that program at IBKR. IBKR's own gateway uses no key: if you run that one, check the address.",
    ),
}
# What a certificate asks for where requests are signed and no gateway of anybody's answers.
OF_IBKRS_OWN_ADDRESS = (
    "Tell whoever runs Halyard: something between this server and IBKR shows a certificate of its own. Nothing is sent."
)
# What a silent address asks for where it is no gateway of the user's.
NOT_REACHED_AT_IBKR = "Look at IBKR's system status if it lasts; nothing is to be done here."
NOT_REACHED_SIMULATED = "If it lasts, tell the operator of this Halyard, who runs the simulated IBKR."
# The same where the keys are the operator's.
WORDS_OF_THE_OPERATORS_KEYS: dict[str, Words] = {
    "key-withdrawn": Words(
        "IBKR took the consumer key of this installation before and does not know it any more.",
        "Tell whoever runs Halyard; connections with other ways of signing in go on.",
    ),
    "token-revoked": Words(
        "IBKR lets Halyard in for this user no more: the access was revoked on IBKR's page.",
        "Allow it again at IBKR, or remove the connection.",
    ),
}


def sentence_of(code: str) -> str:
    """What a code says and what to do about it, where both stand in one line."""
    words = WORDS[code]
    return f"{words.reason} {words.action}".strip()
