"""What an order costs the database, counted over all processes from its signal to its fill."""

from __future__ import annotations

import pytest

from benchmarks.tracing import orders, tree
from config.tests import tables

pytestmark = [pytest.mark.walk, pytest.mark.long, pytest.mark.xdist_group("product")]

# Trips to the database: a BEGIN and a COMMIT are one each. Whoever adds one says so here, and why an order is to wait for it.
MOST_STATEMENTS = {"door": 1, "drain": 9, "lane": 3, "stream": 7}
MOST_WRITING_COMMITS = 4
ROUNDS = 12


@pytest.mark.usefixtures("servers", "django_db_setup")
def test_an_order_takes_no_more_statements_than_are_known() -> None:
    """On a full machine news comes in parts and statements of the clock get in between: the least of each step counts."""
    least: dict[str, int] = {}
    commits = 1000
    with orders.watched(tables.made()) as (product, folder):
        for number in range(ROUNDS):
            for order in orders.trace(product, folder, 4, run=f"round{number}", warm=6 if number == 0 else 0):
                for phase in tree.TO_THE_FILL:
                    step = tree.step_of(order.spans, phase)
                    assert step, f"nothing was seen of the step {phase}"
                    least[phase] = min(least.get(phase, 1000), tree.statements(step))
                commits = min(commits, tree.writing_commits(tree.to_the_fill(order.spans)))
            if all(least[phase] <= most for phase, most in MOST_STATEMENTS.items()) and commits <= MOST_WRITING_COMMITS:
                break

    assert {phase: most for phase, most in least.items() if most > MOST_STATEMENTS[phase]} == {}
    assert commits <= MOST_WRITING_COMMITS
