"""Ways of signing in, behind one interface: what a request shows, what comes before it, what a refusal means."""

from __future__ import annotations

from brokers.domain.sessions import Environment, Login
from brokers.domain.tokens import TokenShelf
from brokers.ibkr.auth.gateway import GatewayLogin, SimulatedLogin
from brokers.ibkr.auth.method import AuthMethod
from brokers.ibkr.auth.oauth import OAuthLogin
from brokers.ibkr.auth.shelf import MemoryShelf

__all__ = ["AuthMethod", "method_of"]


def method_of(login: Login, shelf: TokenShelf | None = None) -> AuthMethod:
    """How this login signs in. `shelf` is where its processes share a token; without one it keeps its own."""
    if login.auth_method.signs:
        return OAuthLogin(login, shelf or MemoryShelf())
    return SimulatedLogin(login) if login.environment is Environment.SIMULATED else GatewayLogin(login)
