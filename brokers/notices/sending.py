"""Letters go out from one process at a time, one of each team in turn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import QuerySet

from accounts.entrance import mails
from accounts.turns import in_portions, in_turn
from brokers.postgres.locks import Space, try_only_one


def in_turn_of_teams(
    rows: QuerySet[Any],
    send: Callable[[list[int], mails.Server], int],
    *,
    most: int,
    seconds: float,
    team: str = "team_id",
    order: str = "pk",
) -> int:
    """Send for these rows until the time is over; returns what `send` says in all. `team` and `order`: as for `in_turn`.

    Each team has one sent, however slow the mail server is. Where another process sends, this one is free for other work.
    """
    teams = rows.order_by().values(team).distinct().count()
    keys, server = in_turn(rows, max(most, teams), team=team, order=order), mails.Server()
    if not keys:
        return 0
    with try_only_one(Space.MAIL, 0) as session:
        if session is None:
            return 0
        return in_portions(keys, lambda some: send(some, server), at_once=max(teams, 1), seconds=seconds)
