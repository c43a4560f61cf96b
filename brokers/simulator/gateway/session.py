"""The session of one username: signed out, connecting, established, taken over, or lost."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from brokers.simulator.behaviour import Behaviour

SERVER = {"serverName": "SimF00001", "serverVersion": "Build 10.44.1d, Mar 3, 2026 1:55:32 PM"}
MAC = "02:53:49:4D:00:01"


@dataclass(slots=True, kw_only=True)
class Session:
    """What the gateway knows of one login; lives in memory only, as it does at the broker."""

    username: str
    token: str
    signed_in: bool = True
    initiated_at: float | None = None
    established_at: float = 0.0
    ever_initiated: bool = False
    competing: bool = False
    # A person at TWS who takes the session again so many seconds after losing it; None for a login that lets go.
    insists_s: float | None = None
    returns_at: float | None = None
    # Nobody but a person at the gateway's page can sign in again.
    person_needed: bool = False
    last_request_at: float = 0.0
    accounts_queried: bool = False
    portfolio_queried: bool = False
    reads: dict[str, int] = field(default_factory=dict)
    snapshots: set[int] = field(default_factory=set)
    searched: set[int] = field(default_factory=set)
    suppressed: set[str] = field(default_factory=set)
    pnl_wanted: bool = False
    selected_account: str = ""
    filters: tuple[str, ...] = ()

    def stage(self, now: float) -> str:
        if self.competing:
            return "competing"
        if self.initiated_at is None:
            return "lost" if self.ever_initiated else "sso"
        return "established" if now >= self.established_at else "connecting"

    def expire(self, now: float, behaviour: Behaviour) -> None:
        """Lose the brokerage session when nobody spoke for too long, when it is too old, or to whoever insists on it."""
        if self.returns_at is not None and now >= self.returns_at:
            self.steal(insists_s=self.insists_s)
        if self.initiated_at is None:
            return
        if now - self.initiated_at > behaviour.max_age_s:
            self.lose()
            if behaviour.person_signs_in:
                self.sign_out()
        elif now - self.last_request_at > behaviour.idle_ttl_s:
            self.lose()

    def steal(self, *, insists_s: float | None = None) -> None:
        """Another login of the same user takes the session."""
        self.lose()
        self.competing, self.insists_s, self.returns_at = True, insists_s, None

    def release(self) -> None:
        """The other login goes away."""
        self.competing, self.insists_s, self.returns_at = False, None, None

    def sign_out(self) -> None:
        """End the login itself: only a person at the gateway's page can bring it back."""
        self.lose()
        self.release()
        self.signed_in, self.person_needed = False, True

    def sign_in(self) -> None:
        """A person signs in at the gateway's page."""
        self.signed_in, self.person_needed = True, False

    def lose(self) -> None:
        """Forget everything that belongs to the brokerage session."""
        self.initiated_at = None
        self.accounts_queried = False
        self.portfolio_queried = False
        self.reads.clear()
        self.snapshots.clear()
        self.searched.clear()
        self.suppressed.clear()
        self.pnl_wanted = False
        self.filters = ()

    def init(self, now: float, behaviour: Behaviour, *, compete: bool) -> bool:
        """Open the brokerage session; False when somebody else holds it and we may not push them out."""
        if self.competing and not compete:
            return False
        if self.competing and self.insists_s is not None:
            self.returns_at = now + self.insists_s
        if self.stage(now) not in {"established", "connecting"}:
            self.lose()
            self.initiated_at = now
            self.established_at = now + behaviour.init_delay_ms / 1000
        self.signed_in, self.ever_initiated, self.competing = True, True, False
        self.last_request_at = now
        return True

    def open_at_once(self, now: float) -> None:
        """Be signed in without having been asked, where sessions are not part of the play."""
        self.signed_in, self.ever_initiated, self.competing = True, True, False
        self.person_needed = False
        self.initiated_at = now
        self.established_at = min(self.established_at, now)

    def read(self, what: str) -> int:
        """How often this was read before in this session."""
        before = self.reads.get(what, 0)
        self.reads[what] = before + 1
        return before

    def status(self, now: float) -> dict[str, Any]:
        """The body of auth/status."""
        stage = self.stage(now)
        authenticated = stage in {"connecting", "established"}
        return {
            "authenticated": authenticated,
            "established": stage == "established",
            "competing": self.competing,
            "connected": self.signed_in,
            "message": "",
            "MAC": MAC,
            "serverInfo": dict(SERVER),
            "hardware_info": f"{self.token[:8]}|{MAC}",
            "fail": "",
        }
