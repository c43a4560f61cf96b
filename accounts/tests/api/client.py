"""A client of the REST API for tests."""

from __future__ import annotations

from typing import Any

from django.test import Client
from django.utils import timezone

from accounts import teams
from accounts.models import Team, User


class Api:
    """Asks as the holder of one token."""

    def __init__(self, team: Team, user: User, *scopes: str) -> None:
        self.secret = teams.issue_token(team=team, user=user, name="test", now=timezone.now(), scopes=scopes)
        self.client = Client(headers={"Authorization": f"Token {self.secret}"})

    def ask(self, path: str, **query: Any) -> Any:
        """The response to a GET, of any status. `path` is below /api/v1/."""
        return self.client.get(f"/api/v1/{path}", query)

    def post(self, path: str, /, **body: Any) -> Any:
        """The response to a POST of JSON, of any status."""
        return self.client.post(f"/api/v1/{path}", body, content_type="application/json")

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of an answer that must be 200."""
        answer = self.ask(path, **query)
        assert answer.status_code == 200, answer.content
        return answer.json()

    def refused(self, path: str, expected: int = 400, /, **query: Any) -> Any:
        """The JSON of an answer that must be this refusal."""
        answer = self.ask(path, **query)
        assert answer.status_code == expected, answer.content
        return answer.json()
