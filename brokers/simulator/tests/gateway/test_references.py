"""How long a user's order references are remembered."""

from __future__ import annotations

from brokers.simulator.gateway.users import User


def test_references_are_forgotten_once_they_may_be_used_again() -> None:
    user = User.named("REFS1")
    user.references.update({"yesterday": 100.0, "morning": 200.0, "now": 300.0})
    user.forget_references(200.0)
    assert list(user.references) == ["morning", "now"]
    user.forget_references(1_000.0)
    assert user.references == {}
