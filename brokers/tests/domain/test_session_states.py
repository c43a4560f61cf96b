"""The state that follows from what was seen, when the next look is due, and when a session may be taken back."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brokers.domain.brokerage import BrokerUnavailable, CertificateRefused, LoginRefused, Paused, SessionLost
from brokers.domain.session import takeovers
from brokers.domain.session.resets import reset_at
from brokers.domain.session.states import Seen, State, Step, Terms, competes, judged, opening, step
from brokers.domain.session.words import NOT_REACHED_AT_IBKR, NOT_REACHED_SIMULATED, WORDS
from brokers.domain.sessions import AuthStatus, Environment, Ownership, Region, SessionStatus
from config.tests.samples import samples

NOON = datetime(2026, 11, 18, 17, 0, tzinfo=UTC)  # a Wednesday, noon in New York
PAPER = Terms(environment=Environment.PAPER)
READY = AuthStatus(authenticated=True, connected=True, competing=False, established=True)
CLOSED = AuthStatus(authenticated=False, connected=True, competing=False, established=False)
TAKEN = AuthStatus(authenticated=False, connected=True, competing=True, established=False)
NOBODY = AuthStatus(authenticated=False, connected=False, competing=False, code="not-signed-in")
OPENING = AuthStatus(authenticated=True, connected=True, competing=False, established=False)
AWAY = BrokerUnavailable("The gateway cannot be reached: the connection was refused.", code="not-reached")
DOWN = BrokerUnavailable("IBKR could not answer (status 503).", code="ibkr-unavailable")
SIGNED_IN = State(status=SessionStatus.ACTIVE, code="signed-in", since=NOON - timedelta(hours=1))


def after(*seen: Seen, before: State = SIGNED_IN, terms: Terms = PAPER, at: datetime = NOON, every: int = 1) -> State:
    """The state after these looks, so many seconds apart."""
    state = before
    for number, each in enumerate(seen):
        state = judged(each, state, terms, at + timedelta(seconds=every * number))
    return state


@pytest.mark.parametrize(
    ("seen", "status", "code"),
    [
        (READY, "active", "signed-in"),
        (replace(READY, established=None), "active", "signed-in"),
        (OPENING, "connecting", "session-opens"),
        (replace(CLOSED, connected=False, waiting=True), "connecting", "session-waits"),
        (CLOSED, "connecting", "session-ended"),
        (TAKEN, "competing", "competing-session"),
        (NOBODY, "signed_out", "not-signed-in"),
        (replace(NOBODY, code="login-expired"), "signed_out", "login-expired"),
        (replace(NOBODY, code="session-gone"), "not_opened", "session-gone"),
        (AWAY, "unreachable", "not-reached"),
        (DOWN, "unreachable", "ibkr-unavailable"),
        (BrokerUnavailable("not yet", code="paper-user-not-ready"), "not_opened", "paper-user-not-ready"),
        (LoginRefused("IBKR has not activated this key.", code="key-not-active"), "pending", "key-not-active"),
        (LoginRefused("This user is live.", code="user-is-live"), "refused", "user-is-live"),
        (Paused("Slowly.", retry_after=60), "paused", "too-many-requests"),
        (Paused("Nonsense.", code="gateway-nonsense", retry_after=60), "paused", "gateway-nonsense"),
    ],
)
def test_every_picture_is_a_state_with_a_sentence_and_a_next_look(seen: Seen, status: str, code: str) -> None:
    state = after(seen)
    assert (state.status, state.code) == (status, code)
    assert state.reason
    assert (state.next_try_at is None) is state.can_trade
    assert state.since == (SIGNED_IN.since if state.can_trade else NOON)


NIGHT = datetime(2026, 11, 19, 4, 50, tzinfo=UTC)
NO_LINES = (
    "gateway-speaks-http",
    "gateway-speaks-https",
    "handshake-unanswered",
    "tls-broken-off",
    "client-certificate-wanted",
)


@pytest.mark.parametrize("at", [NOON, NIGHT], ids=["noon", "night"])
@pytest.mark.parametrize("code", NO_LINES)
def test_a_line_that_does_not_come_about_is_neither_silence_nor_a_night(code: str, at: datetime) -> None:
    state = after(BrokerUnavailable("no line", code=code), at=at)
    assert (state.status, state.code) == (SessionStatus.ENCRYPTION_FAILED, code)
    assert state.action
    assert "obody answers" not in state.reason
    assert step(state, PAPER, at) is Step.WAIT


@pytest.mark.parametrize(
    "code",
    [
        "certificate-changed",
        "certificate-unknown",
        "certificate-over",
        "certificate-early",
        "certificate-of-another-name",
    ],
)
def test_a_certificate_that_is_not_believed_is_a_state_that_waits_for_a_person(code: str) -> None:
    seen = CertificateRefused("refused", code=code, seen="ab" * 32 if code == "certificate-changed" else "")
    state = after(seen, at=NIGHT)
    assert (state.status, state.code) == (SessionStatus.CERTIFICATE_REFUSED, code)
    assert ("AB:AB:AB:AB" in state.reason) is bool(seen.seen)
    assert len(state.reason) <= 300
    assert state.action == WORDS[code].action
    assert after(READY, before=state, at=NIGHT).can_trade
    # Nobody can accept a certificate of IBKR's own address.
    assert after(seen, terms=SIGNS).action.startswith("Tell whoever runs Halyard")


@pytest.mark.parametrize("code", ["not-allowed", "gateway-forbids", "proxy-refuses"])
def test_who_says_no_with_403_is_told_apart(code: str) -> None:
    state = after(LoginRefused("no", code=code))
    assert (state.status, state.code) == (SessionStatus.REFUSED, code)
    assert (state.reason, state.action) == (WORDS[code].reason, WORDS[code].action)


@pytest.mark.parametrize("code", sorted(WORDS))
def test_its_words_fit_their_columns_and_end_as_sentences(code: str) -> None:
    reason, action = WORDS[code]
    assert len(code) <= 40
    assert len(reason) <= 300
    assert len(action) <= 300
    assert reason.endswith(".")
    assert not action or action.endswith(".")
    assert "successfully" not in reason + action


@pytest.mark.parametrize(
    ("at", "region", "code"),
    [
        (datetime(2026, 11, 19, 4, 50, tzinfo=UTC), Region.NORTH_AMERICA, "nightly-restart"),  # 23:50 in New York
        (datetime(2026, 11, 19, 6, 44, tzinfo=UTC), Region.NORTH_AMERICA, "nightly-restart"),
        (datetime(2026, 11, 19, 6, 45, tzinfo=UTC), Region.NORTH_AMERICA, None),
        (datetime(2026, 11, 19, 5, 30, tzinfo=UTC), Region.EUROPE, "nightly-restart"),  # 6:30 in Zurich
        (datetime(2026, 11, 19, 12, 30, tzinfo=UTC), Region.ASIA, "nightly-restart"),  # 20:30 in Hong Kong
        (datetime(2026, 11, 21, 4, 30, tzinfo=UTC), Region.EUROPE, "weekend-maintenance"),  # Friday 23:30 in New York
        (datetime(2026, 11, 21, 7, 59, tzinfo=UTC), Region.NORTH_AMERICA, "weekend-maintenance"),
        (datetime(2026, 11, 21, 8, 0, tzinfo=UTC), Region.NORTH_AMERICA, None),
        # The nights on which the clocks change: 0:30 is one moment, whatever the offset is afterwards.
        (datetime(2026, 3, 8, 5, 30, tzinfo=UTC), Region.NORTH_AMERICA, "nightly-restart"),
        (datetime(2026, 11, 1, 4, 30, tzinfo=UTC), Region.NORTH_AMERICA, "nightly-restart"),
        (datetime(2026, 11, 1, 7, 0, tzinfo=UTC), Region.NORTH_AMERICA, None),
    ],
)
def test_nights_and_weekends_by_region(at: datetime, region: Region, code: str | None) -> None:
    window = reset_at(at, region)
    assert (window[0] if window else None) == code
    state = after(CLOSED, terms=replace(PAPER, region=region), at=at)
    assert (state.status is SessionStatus.RESETTING) is (code is not None)
    if window is not None:
        assert window[1] > at
        assert state.next_try_at is not None
        assert state.next_try_at <= window[1]


def test_a_gateway_that_is_not_there_is_no_night() -> None:
    night = datetime(2026, 11, 19, 4, 50, tzinfo=UTC)
    assert after(AWAY, at=night).code == "not-reached"
    assert after(DOWN, at=night).code == "nightly-restart"
    assert after(TAKEN, at=night).status is SessionStatus.COMPETING


@pytest.mark.parametrize(
    ("terms", "action"),
    [
        (PAPER, "Check that the gateway runs and that this server may reach it."),
        (Terms(environment=Environment.SIMULATED), NOT_REACHED_SIMULATED),
        (replace(PAPER, by_person=False), NOT_REACHED_AT_IBKR),
    ],
)
def test_what_to_do_about_silence_depends_on_whose_address_it_is(terms: Terms, action: str) -> None:
    state = after(AWAY, terms=terms)
    assert (state.reason, state.action) == (str(AWAY), action)


def test_a_login_that_the_night_ended_says_so() -> None:
    night = datetime(2026, 11, 19, 6, 40, tzinfo=UTC)
    state = after(DOWN, at=night)
    assert judged(NOBODY, state, PAPER, night + timedelta(minutes=10)).code == "login-ended-overnight"


def test_looks_grow_seldom_and_quick_again_after_a_success() -> None:
    state, at, waits = SIGNED_IN, NOON, []
    while at - NOON < timedelta(hours=3):
        state = judged(AWAY, state, PAPER, at)
        assert state.next_try_at is not None
        waits.append((at - NOON, (state.next_try_at - at).total_seconds()))
        at = state.next_try_at
    assert waits[0][1] == 0.5
    # An outage is noticed to be over within a quarter of its length, and a night costs few looks.
    assert all(wait <= max(0.5, lasted.total_seconds() / 4) + 0.001 for lasted, wait in waits)
    assert waits[-1][1] == 900
    assert len(waits) < 60
    state = judged(READY, state, PAPER, at)
    assert (state.tries, state.opens, state.next_try_at) == (0, 0, None)
    assert after(AWAY, before=state, at=at).next_try_at == at + timedelta(seconds=0.5)


def test_looks_come_quickly_again_after_a_person_acted() -> None:
    state, at = SIGNED_IN, NOON
    while at - NOON < timedelta(hours=1):
        state = judged(NOBODY, state, PAPER, at)
        at = state.next_try_at or at
    pressed = judged(NOBODY, replace(state, tries=0, next_try_at=None), PAPER, at)
    assert pressed.next_try_at is not None
    assert pressed.next_try_at - at <= timedelta(seconds=1)


def test_a_look_before_its_time_makes_none_more_seldom() -> None:
    state = after(AWAY, AWAY, AWAY, every=600)
    sooner = judged(AWAY, state, PAPER, NOON + timedelta(seconds=1200.5))
    assert (sooner.tries, sooner.next_try_at) == (state.tries, state.next_try_at)


def test_a_login_without_a_session_is_tried_by_json_then_once_by_form_then_by_a_person() -> None:
    state, at, steps = SIGNED_IN, NOON, []
    for _ in range(400):
        state = judged(CLOSED, state, PAPER, at)
        chosen = step(state, PAPER, at)
        if chosen is not Step.WAIT:
            steps.append((chosen, at))
            state = opening(state, chosen, at, competing=competes(chosen, state, PAPER, at))
            state = judged(CLOSED, state, PAPER, at + timedelta(milliseconds=300))
        assert state.next_try_at is not None
        at = max(state.next_try_at, at + timedelta(milliseconds=100))
        if at - NOON > timedelta(hours=1):
            break
    assert [chosen for chosen, _ in steps[:3]] == [Step.OPEN, Step.FORM, Step.OPEN]
    assert [chosen for chosen, _ in steps].count(Step.FORM) == 1
    assert all(later - earlier >= timedelta(seconds=5) for (_, earlier), (_, later) in itertools.pairwise(steps))
    assert len(steps) < 20
    assert (state.status, state.code) == (SessionStatus.NOT_OPENED, "identity-check")


def test_what_takes_more_than_a_minute_to_open_is_said() -> None:
    state = after(*[OPENING] * 70)
    assert (state.status, state.code) == (SessionStatus.NOT_OPENED, "session-slow")
    assert step(state, PAPER, NOON + timedelta(minutes=2)) is Step.WAIT


def test_a_key_that_is_never_activated_is_said_after_two_weeks() -> None:
    pending = LoginRefused("IBKR has not activated this key.", code="key-not-active")
    state, at = after(pending), NOON
    assert state.next_try_at == NOON + timedelta(minutes=30)
    while at - NOON < timedelta(days=15):
        assert state.next_try_at is not None
        assert state.next_try_at - at >= timedelta(minutes=30)
        at = state.next_try_at
        state = judged(pending, state, PAPER, at)
    assert (state.status, state.code) == (SessionStatus.PENDING, "key-never-active")


def test_a_new_paper_user_is_asked_once_an_hour() -> None:
    state = after(BrokerUnavailable("not yet", code="paper-user-not-ready"))
    assert state.next_try_at == NOON + timedelta(hours=1)
    # A look meanwhile shows a login without a session, which is no news.
    later = judged(CLOSED, state, PAPER, NOON + timedelta(minutes=5))
    assert (later.code, later.next_try_at, later.since) == (state.code, state.next_try_at, state.since)


@pytest.mark.parametrize(
    ("ownership", "exit_due", "code", "minutes"),
    [
        (Ownership.ALWAYS, False, "competing-session", 0),
        (Ownership.POLITE, False, "left-to-person", 20),
        (Ownership.POLITE, True, "left-to-person", 0),
        (Ownership.YIELD, False, "left-to-others", None),
        (Ownership.YIELD, True, "left-to-others", None),
    ],
)
def test_whose_a_competing_session_is(ownership: Ownership, exit_due: bool, code: str, minutes: int | None) -> None:
    terms = replace(PAPER, ownership=ownership, polite_minutes=20, exit_due=exit_due)
    state = after(TAKEN, terms=terms)
    assert state.code == code
    takes_at = None
    for seconds in range(1500):
        at = NOON + timedelta(seconds=seconds)
        state = judged(TAKEN, state, terms, at)
        if step(state, terms, at) is Step.TAKE:
            takes_at = at
            break
    assert takes_at == (None if minutes is None else NOON + timedelta(minutes=minutes))


@settings(max_examples=samples(60), deadline=None)
@given(
    gaps=st.lists(st.floats(min_value=0.1, max_value=200), min_size=1, max_size=60),
    pictures=st.lists(st.sampled_from([READY, TAKEN, CLOSED, NOBODY, AWAY]), min_size=60, max_size=60),
)
def test_however_they_quarrel_at_most_one_a_minute_and_three_in_ten_are_taken(
    gaps: list[float], pictures: list[AuthStatus]
) -> None:
    state, at, taken = SIGNED_IN, NOON, []
    for gap, picture in zip(gaps, pictures, strict=False):
        at += timedelta(seconds=gap)
        state = judged(picture, state, PAPER, at)
        chosen = step(state, PAPER, at)
        if chosen is Step.WAIT:
            continue
        pushes = competes(chosen, state, PAPER, at)
        state = opening(state, chosen, at, competing=pushes)
        taken += [at] if pushes else []
    for number, moment in enumerate(taken):
        assert all(later - moment >= takeovers.ONE_EACH for later in taken[number + 1 : number + 2])
        assert all(later - moment >= takeovers.WITHIN for later in taken[number + takeovers.MOST :])


def test_keys_sign_in_by_themselves() -> None:
    keys = replace(PAPER, by_person=False)
    state = after(NOBODY, terms=keys)
    assert "by itself" in state.action
    assert step(state, keys, NOON) is Step.OPEN
    assert step(after(NOBODY), PAPER, NOON) is Step.WAIT
    gone = after(SessionLost("IBKR opens no session with a token.", code="session-gone"), terms=keys)
    assert (gone.status, gone.code) == (SessionStatus.NOT_OPENED, "session-gone")


SIGNS = Terms(environment=Environment.PAPER, by_person=False)
UNKNOWN_KEY = LoginRefused("IBKR does not know this consumer key.", code="key-not-active")
UNKNOWN_TOKEN = LoginRefused("IBKR does not know this access token any more.", code="token-revoked")


def test_keys_that_were_never_taken_wait_and_keys_that_were_are_revoked() -> None:
    assert after(UNKNOWN_KEY, terms=SIGNS).status is SessionStatus.PENDING
    taken = replace(SIGNS, has_signed=True)
    state = after(UNKNOWN_KEY, terms=taken)
    assert (state.status, state.code) == (SessionStatus.REVOKED, "key-withdrawn")
    assert after(READY, before=state, terms=taken).can_trade


@pytest.mark.parametrize(
    ("terms", "reason", "action"),
    [
        (SIGNS, "IBKR has not activated this consumer key yet", "Wait for that"),
        (PAPER, "the program at this address signs with an OAuth consumer key", "check the address"),
        (Terms(environment=Environment.LIVE), "the program at this address signs", "IBKR's own gateway uses no key"),
    ],
    ids=["keys", "gateway", "gateway of a live user"],
)
def test_an_unknown_consumer_is_said_of_whose_key_it_is(terms: Terms, reason: str, action: str) -> None:
    state = after(UNKNOWN_KEY, terms=terms)
    assert (state.status, state.code) == (SessionStatus.PENDING, "key-not-active")
    assert reason in state.reason
    assert action in state.action
    late = judged(UNKNOWN_KEY, state, terms, NOON + timedelta(days=15))
    assert late.code == "key-never-active"
    assert ("nine letters" in late.action) is (not terms.by_person)


@pytest.mark.parametrize(("by_operator", "action"), [(False, "Generate a token"), (True, "Allow it again")])
def test_revoked_access_says_who_can_give_it_again(by_operator: bool, action: str) -> None:
    state = after(UNKNOWN_TOKEN, terms=replace(SIGNS, by_operator=by_operator, has_signed=True))
    assert (state.status, state.code) == (SessionStatus.REVOKED, "token-revoked")
    assert state.action.startswith(action)
    assert step(state, SIGNS, NOON) is Step.WAIT


@pytest.mark.parametrize("seen", [UNKNOWN_KEY, UNKNOWN_TOKEN], ids=["pending", "revoked"])
def test_ibkr_is_asked_for_what_it_does_not_take_every_half_hour(seen: LoginRefused) -> None:
    state = SIGNED_IN
    for number in range(4):
        at = NOON + timedelta(minutes=30 * number)
        state = judged(seen, state, SIGNS, at)
        assert state.next_try_at == at + timedelta(minutes=30)
