"""The table. A page, API row, socket or task without an entry here fails the tests, which say what to add.

Pages of a team, by their names in the URL map: `get` and `post` are the least role that may (`stops`: whom the team lets
stop; they never wait for a proof or a second factor), empty where there is no such method. `proof` names the methods
that take a fresh confirmation (step-up) where, as in the tests' two teams, real money moves or a secret is shown.
`sends` is the form, `asks` the query, and `at` other parts of the address; a name with `@` is a page's second entry.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from brokers.domain.chats.destinations import Service

VIEWER, APPROVER, TRADER, OWNER, STOPS = "viewer", "approver", "trader", "owner", "stops"
Words = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who may ask a page of a team."""

    get: str = ""
    post: str = ""
    proof: frozenset[str] = frozenset()
    sends: Words = field(default_factory=dict)
    asks: Words = field(default_factory=dict)
    at: Words = field(default_factory=dict)


def reads(role: str = VIEWER, /, **words: str) -> Entry:
    """A page to look at."""
    return Entry(get=role, at=words)


def does(role: str, /, *, at: Words | None = None, **sends: str) -> Entry:
    """An action without a proof."""
    return Entry(post=role, sends=sends, at=at or {})


def proves(role: str, /, *, at: Words | None = None, **sends: str) -> Entry:
    """An action that takes a proof."""
    return Entry(post=role, proof=frozenset({"POST"}), sends=sends, at=at or {})


def form(get: str, post: str, /, *, at: Words | None = None, **sends: str) -> Entry:
    """A page with a form that takes no proof."""
    return Entry(get=get, post=post, sends=sends, at=at or {})


def form_that_proves(get: str, post: str, /, *methods: str, at: Words | None = None, **sends: str) -> Entry:
    """A page with a form that takes a proof, by default when it is sent."""
    return Entry(get=get, post=post, proof=frozenset(methods or {"POST"}), sends=sends, at=at or {})


SIMULATED = {"connection_code": "simulated"}
TEAM = {"level": "team"}

TEAM_PAGES: dict[str, Entry] = {
    # The team
    "team_settings": reads(),
    "team_invite": does(OWNER, role="viewer"),
    "team_invite@owner": proves(OWNER, role="owner"),
    "team_record": reads(OWNER),
    "team_record_csv": reads(OWNER),
    "team_record_json": reads(OWNER),
    "invitation_withdraw": does(OWNER),
    "team_safety": proves(OWNER, second_factor_from="", stops_from="viewer"),
    "team_mail": does(VIEWER, mail_approvals="on"),
    "member_role": does(OWNER, role="approver", email="viewer@example.com"),
    "member_role@owner": proves(OWNER, role="owner", email="viewer@example.com"),
    "member_remove": does(OWNER, email="approver@example.com"),  # and everybody themselves
    "token_issue": proves(TRADER, name="robot", scopes="trade"),
    "token_revoke": does(OWNER),  # and everybody their own
    "team_close": form_that_proves(OWNER, OWNER, name="Ours"),
    "departure": form_that_proves(OWNER, OWNER, rotate_nothing="yes"),
    # Orders and accounts
    "orders": reads(),
    "order": reads(),
    "order_cancel": does(TRADER),
    "order_change": form(TRADER, TRADER, limit_price="1"),
    "order_owner": form(VIEWER, TRADER, subscription="none"),
    "questions": form_that_proves(VIEWER, TRADER, message_id="o163", answer="yes"),
    "questions@no": does(TRADER, message_id="o163", answer="no"),
    "symbols": form_that_proves(VIEWER, TRADER, ticker="TWIN", asset_class="stock", simulated="no", conid="1"),
    "symbols@simulated": does(TRADER, ticker="TWIN", asset_class="stock", simulated="yes", conid="1"),
    "symbols@forget": does(TRADER, forget="00000000-0000-0000-0000-000000000000"),
    "order_decide": proves(TRADER, choice="again"),
    "order_keep_both": does(TRADER),
    "order_decide@absent": does(TRADER, choice="absent"),
    "foreign_order": reads(),
    "foreign_cancel": does(TRADER),
    "foreign_decide": does(TRADER, choice="leave"),
    "unclaimed_order": reads(),
    "unclaimed_decide": does(TRADER, choice="leave"),
    "split": reads(),
    "split_decide": does(TRADER, choice="none"),
    "positions": reads(),
    "position_protect": form(TRADER, TRADER, stop_price="1"),
    "position_close": form(TRADER, TRADER, quantity="1"),
    "account": reads(),
    "contract": reads(),
    "account_equity": reads(),
    "rulebook": reads(),
    # Connections
    "connections": reads(),
    "connection_new": form_that_proves(
        TRADER,
        TRADER,
        environment="live",
        name="Second",
        username="second1",
        base_url="https://127.0.0.1:5000/v1/api",
        confirm_live="on",
        account_number="U1234567",
    ),
    "connection_signing": form_that_proves(OWNER, OWNER, "GET", "POST", environment="paper", name="Signed"),
    "keyset_new": form_that_proves(OWNER, OWNER),
    "keyset": reads(OWNER),
    "keyset_file": reads(OWNER, name="dhparam.pem"),
    "keyset_token": form_that_proves(OWNER, OWNER, "GET", "POST"),
    "keyset_discard": does(OWNER),
    "authorization_new": form_that_proves(OWNER, OWNER, environment="paper", name="Allowed"),
    "authorization": reads(OWNER),
    "connection_keys": form_that_proves(OWNER, OWNER, "GET", "POST", at={"connection_code": "signed"}),
    "connection_key_file": reads(OWNER, connection_code="signed", name="dhparam.pem"),
    "connection_allow": proves(OWNER, at={"connection_code": "allowed"}),
    "connection": reads(),
    "connection_diagnosis": reads(),
    "notices": form(VIEWER, OWNER),
    **{f"destination_{service}": form_that_proves(OWNER, OWNER) for service in Service},
    "destination": form(OWNER, OWNER),
    "destination_test": does(OWNER),
    "destination_pause": does(OWNER),
    "destination_remove": form(OWNER, OWNER),
    "connection_times": reads(),
    "connection_switch": proves(TRADER, enabled="yes"),
    "connection_switch@off": does(TRADER, enabled="no"),
    "connection_resends": proves(TRADER, resends="all"),
    "connection_resends@never": does(TRADER, resends="never"),
    "connection_unasked": proves(TRADER, suppresses_questions="yes"),
    "connection_unasked@off": does(TRADER, suppresses_questions="no"),
    "connection_exits": proves(TRADER, confirms_exits="yes"),
    "connection_exits@off": does(TRADER, confirms_exits="no"),
    "connection_prices": does(TRADER, at=SIMULATED, prices="generated"),
    "connection_verify": does(TRADER),
    "connection_ownership": proves(TRADER, ownership="always", polite_minutes="30"),
    "connection_ownership@yield": does(TRADER, ownership="yield"),
    "connection_take_back": proves(TRADER),
    "connection_edit": form_that_proves(
        TRADER,
        TRADER,
        environment="live",
        name="Renamed",
        username="ours1",
        base_url="https://127.0.0.1:5000/v1/api",
        region="NA",
    ),
    "connection_certificate": form_that_proves(TRADER, TRADER, accepted="ab" * 32),
    "connection_remove": form_that_proves(TRADER, TRADER),
    "connection_proxy": form_that_proves(
        OWNER, OWNER, "GET", "POST", part="header", header="X-Gateway-Secret", secret="0123456789abcdef"
    ),
    "groups": reads(),
    "groups_read": does(TRADER),
    "group_new": form_that_proves(TRADER, TRADER, name="Family", method="EqualQuantity"),
    "group": form_that_proves(TRADER, TRADER, method="EqualQuantity"),
    "group_remove": proves(TRADER),
    "stress": form(TRADER, TRADER, at=SIMULATED, button="none"),
    "stress_clear": does(TRADER, at=SIMULATED),
    # Signals and decisions
    "dashboard": reads(),
    "signals": reads(),
    "signals_csv": reads(),
    "trades": reads(),
    "trades_csv": reads(),
    "trade": reads(),
    "pnl": reads(),
    "signals_json": reads(),
    "signal_try": form(TRADER, TRADER, action="buy", ticker="AAPL", quantity="1", check="yes"),
    "signal_try@sent": proves(TRADER, action="buy", ticker="AAPL", quantity="1"),
    "signal": reads(),
    "refusal": reads(),
    "signal_replay": form(TRADER, TRADER),
    "refusal_replay": form(TRADER, TRADER),
    "decision": reads(),
    "decision_what_if": does(TRADER),
    "approvals": reads(),
    "approval_approve": does(APPROVER),
    "approval_decline": does(APPROVER),
    # Guards
    "guards": reads(),
    "guard": form(VIEWER, TRADER, what="limits", max_quantity="1"),
    "guard@looser": form_that_proves(VIEWER, TRADER, what="limits"),
    "guard@team": form_that_proves(VIEWER, OWNER, at=TEAM, what="limits"),
    "guard_stop": form(STOPS, STOPS, how="entries", reason="News"),
    "guard_stop@team": form(STOPS, STOPS, at=TEAM, how="everything", flatten="on", reason="News"),
    "guard_resume": proves(TRADER, reason="On we go"),
    "guard_resume@team": proves(OWNER, at=TEAM, reason="On we go"),
    "guard_unlock": proves(TRADER, reason="On we go"),
    "guard_unlock@team": proves(OWNER, at=TEAM, reason="On we go"),
    # Strategies
    "strategies": reads(),
    "strategy_new": form(TRADER, TRADER, name="Another", asset_class="stock"),
    "strategy": reads(),
    "strategy@reveal": Entry(get=VIEWER, proof=frozenset({"GET"}), asks={"reveal": "yes"}),  # shown to traders only
    "strategy_builder": reads(),
    "strategy_builder_copy": Entry(get=TRADER, proof=frozenset({"GET"}), asks={"source": "curl", "sign": "on"}),
    "strategy_check": form(VIEWER, VIEWER, body="{}"),
    "strategy_switch": proves(TRADER, enabled="yes"),
    "strategy_switch@off": does(TRADER, enabled="no"),
    "strategy_settings": form(VIEWER, TRADER, name="Another"),
    "strategy_defaults": form(VIEWER, TRADER, show="terms"),
    "webhook_meters": reads(),
    "webhook_rotate": proves(TRADER),
    "webhook_secret": Entry(get=TRADER, proof=frozenset({"GET"})),
    "webhook_disable": does(TRADER),
    # Subscriptions
    "subscriptions": reads(),
    "subscription_new": form(TRADER, TRADER, show="terms"),  # it is made off
    "subscriptions_switch": does(TRADER, enabled="yes"),  # a page that asks whether it is meant
    "subscriptions_switch@on": proves(TRADER, enabled="yes", confirmed="yes", subscription="quiet"),
    "subscriptions_switch@off": does(TRADER, enabled="no", confirmed="yes", subscription="own"),
    "subscription": form(VIEWER, TRADER, show="terms"),
    "subscription_clone": form(TRADER, TRADER),  # it is made off
    "subscription_link": does(TRADER, linked="no"),
    "terms_restore": does(TRADER),
    "subscription_switch": proves(TRADER, enabled="yes"),
    "subscription_switch@off": does(TRADER, enabled="no"),
}

# Pages that answer in a state of the team of their own, with what holds them to it.
ELSEWHERE: dict[str, str] = {
    "team_reopen": "an owner's, with a proof, while the team is closed: the tests of closing a team"
}

# Pages of no team, those of the sign-in library included. `open`: for everybody; `members`: after signing in;
# `proof`: after signing in, and with a fresh confirmation for these methods.
OPEN, MEMBERS = "open", "members"
OTHER_PAGES: dict[str, tuple[str, str]] = {
    "healthz": (OPEN, ""),
    "readyz": (OPEN, ""),
    "robots.txt": (OPEN, ""),
    "favicon.ico": (OPEN, ""),
    "manifest": (OPEN, ""),
    "service_worker": (OPEN, ""),
    "offline": (OPEN, ""),
    "security_txt": (OPEN, ""),
    "csp_report": (OPEN, ""),
    "^api/(?:.*/)?$": (OPEN, ""),
    "home": (OPEN, ""),
    "invitation": (OPEN, ""),
    "mails": (OPEN, ""),  # 404, except for the operator and on the machine itself
    "help": (OPEN, ""),
    "help_index": (OPEN, ""),
    "ibkr_callback": (MEMBERS, ""),  # of the person and the browser that left for IBKR; then of the team's owners
    "profile": (MEMBERS, ""),
    "team_new": (MEMBERS, ""),
    "account_export": (MEMBERS, "GET"),
    "own_record": (MEMBERS, ""),
    "own_record_csv": (MEMBERS, ""),
    "own_record_json": (MEMBERS, ""),
    "account_delete": (MEMBERS, "POST"),
    "account_login": (OPEN, ""),
    "account_logout": (OPEN, ""),
    "account_inactive": (OPEN, ""),
    "account_signup": (OPEN, ""),
    "account_reauthenticate": (MEMBERS, ""),
    "account_email": (MEMBERS, "POST"),
    "account_email_verification_sent": (OPEN, ""),
    "account_change_password": (MEMBERS, "GET POST"),  # of whoever has a second factor; others type the old password
    "account_set_password": (MEMBERS, "GET POST"),
    "account_reset_password": (OPEN, ""),
    "account_confirm_login_code": (OPEN, ""),
    "account_confirm_email": (OPEN, ""),
    "account_reset_password_from_key_done": (OPEN, ""),
    "account_reset_password_from_key": (OPEN, ""),
    "account_reset_password_done": (OPEN, ""),
    "mfa_index": (MEMBERS, ""),
    "mfa_authenticate": (OPEN, ""),
    "mfa_reauthenticate": (MEMBERS, ""),
    "mfa_activate_totp": (MEMBERS, "GET POST"),
    "mfa_deactivate_totp": (MEMBERS, "GET POST"),
    "mfa_view_recovery_codes": (MEMBERS, "GET"),
    "mfa_generate_recovery_codes": (MEMBERS, "GET POST"),
    "mfa_download_recovery_codes": (MEMBERS, "GET POST"),
    "mfa_list_webauthn": (MEMBERS, ""),
    "mfa_add_webauthn": (MEMBERS, "GET POST"),
    "mfa_reauthenticate_webauthn": (MEMBERS, ""),
    "mfa_remove_webauthn": (MEMBERS, "GET POST"),
    "mfa_edit_webauthn": (MEMBERS, "GET POST"),
    "mfa_login_webauthn": (OPEN, ""),
    "usersessions_list": (MEMBERS, ""),  # ending others stops something, so it asks for nothing
}

# The API: for each action of a row its method, the scope its token needs, and the role its member needs now. A token is
# issued after a proof and asks for none later: what it may do is what its scopes say, and it may never do more than read,
# answer plans, stop and resume, switch subscriptions, make and mend connections that move no real money, and
# choose contracts that it does not buy. No token
# shows a secret, issues a token or invites anybody. A name with `@` is another method of the same address.
API: dict[str, tuple[str, str, str]] = {
    "api-root": ("GET", "read", VIEWER),
    "api-schema": ("GET", "read", VIEWER),
    **{
        f"api-{rows}-{action}": ("GET", "read", VIEWER)
        for rows in ("strategies", "subscriptions", "signals", "refusals", "decisions", "connections", "accounts")
        for action in ("list", "detail")
    },
    "api-orders-list": ("GET", "read", VIEWER),
    "api-orders-detail": ("GET", "read", VIEWER),
    "api-accounts-protect": ("POST", "trade", TRADER),
    "api-orders-modify": ("POST", "trade", TRADER),
    "api-orders-modifications": ("GET", "read", VIEWER),
    "api-foreign-orders-list": ("GET", "read", VIEWER),
    "api-foreign-orders-detail": ("GET", "read", VIEWER),
    "api-splits-list": ("GET", "read", VIEWER),
    "api-splits-detail": ("GET", "read", VIEWER),
    "api-unclaimed-orders-list": ("GET", "read", VIEWER),
    "api-unclaimed-orders-detail": ("GET", "read", VIEWER),
    "api-executions-list": ("GET", "read", VIEWER),
    "api-executions-detail": ("GET", "read", VIEWER),
    "api-calls-list": ("GET", "read", VIEWER),
    "api-calls-detail": ("GET", "read", VIEWER),
    "api-contract-choices-list": ("GET", "read", VIEWER),
    "api-contract-choices-detail": ("GET", "read", VIEWER),
    "api-contract-choices-waiting": ("GET", "read", VIEWER),
    "api-contract-choices-list@make": ("POST", "trade", TRADER),
    "api-contract-choices-detail@forget": ("DELETE", "trade", TRADER),
    "api-groups-list": ("GET", "read", VIEWER),
    "api-groups-detail": ("GET", "read", VIEWER),
    "api-groups-preview": ("GET", "read", VIEWER),
    "api-groups-detail@change": ("PUT", "trade", TRADER),  # no group of real money
    "api-groups-detail@remove": ("DELETE", "trade", TRADER),
    "api-group-changes-list": ("GET", "read", VIEWER),
    "api-group-changes-detail": ("GET", "read", VIEWER),
    "api-connections-groups": ("GET", "read", VIEWER),
    "api-connections-groups@make": ("POST", "trade", TRADER),
    "api-connections-groups-read": ("POST", "trade", TRADER),
    "api-positions-list": ("GET", "read", VIEWER),
    "api-adoptions-list": ("GET", "read", VIEWER),
    "api-adoptions-choose": ("PUT", "trade", TRADER),
    "api-messages-list": ("GET", "read", VIEWER),
    "api-notices-list": ("GET", "read", VIEWER),
    "api-questions-list": ("GET", "read", VIEWER),
    "api-questions-answer": ("PUT", "trade", TRADER),  # no yes while real money can move
    "api-trades-list": ("GET", "read", VIEWER),
    "api-trades-detail": ("GET", "read", VIEWER),
    "api-trades-export": ("GET", "read", VIEWER),
    "api-pnl-list": ("GET", "read", VIEWER),
    "api-guards-list": ("GET", "read", VIEWER),
    "api-guards-one": ("GET", "read", VIEWER),
    "api-record-list": ("GET", "read", OWNER),
    "api-guards-halt": ("POST", "trade", STOPS),
    "api-guards-flatten": ("POST", "trade", TRADER),
    "api-guards-resume": ("POST", "trade", TRADER),  # the whole team: an owner
    "api-subscriptions-enable": ("POST", "trade", TRADER),
    "api-subscriptions-disable": ("POST", "trade", TRADER),
    "api-connections-list@make": ("POST", "trade", TRADER),
    "api-connections-detail@edit": ("PATCH", "trade", TRADER),
    "api-connections-detail@remove": ("DELETE", "trade", TRADER),
    "api-connections-enable": ("POST", "trade", TRADER),
    "api-connections-disable": ("POST", "trade", TRADER),
    "api-connections-test": ("POST", "trade", TRADER),
    "api-connections-try-address": ("POST", "trade", TRADER),
    "api-connections-ownership": ("POST", "trade", TRADER),
    "api-connections-unasked": ("POST", "trade", TRADER),
    "api-connections-take-back": ("POST", "trade", TRADER),
    "api-connections-certificate": ("GET", "trade", TRADER),
    "api-connections-certificate@accept": ("POST", "trade", TRADER),
    "api-connections-proxy": ("GET", "trade", OWNER),
    "api-connections-proxy-header": ("PUT", "trade", OWNER),
    "api-connections-proxy-header@hide": ("DELETE", "trade", OWNER),
    "api-connections-proxy-certificate": ("PUT", "trade", OWNER),
    "api-connections-proxy-certificate@hide": ("DELETE", "trade", OWNER),
    "api-decisions-approve": ("POST", "approve", APPROVER),
    "api-decisions-decline": ("POST", "approve", APPROVER),
    "api-decisions-what-if": ("POST", "trade", TRADER),
}

# Sockets: the least role that hears.
SOCKETS: dict[str, str] = {"ws/teams/<uuid:team_code>/": VIEWER}

# Tasks: the arguments each takes. None takes the id of a row: a message that anybody slips into the queue can only begin
# work that is due anyway.
TASKS: dict[str, frozenset[str]] = {
    "accounts.tick": frozenset(),
    "accounts.refresh_needs": frozenset(),
    "accounts.tidy": frozenset(),
    "brokers.work": frozenset({"shard"}),
    "brokers.sweep": frozenset(),
    "brokers.tell_owners": frozenset(),
    "brokers.deliver_notices": frozenset(),
    "brokers.make_keys": frozenset(),
    "strategies.decide": frozenset({"shard"}),
    "strategies.sweep": frozenset(),
    "strategies.tidy": frozenset(),
    "strategies.mail_approvers": frozenset(),
    "strategies.close_ending": frozenset(),
    "strategies.flatten_due": frozenset(),
    "strategies.make_trades": frozenset(),
}
