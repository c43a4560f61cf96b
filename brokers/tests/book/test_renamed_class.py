"""Rows of before under the old name of options on futures are renamed by portions, while others write beside them."""

from __future__ import annotations

import importlib

import pytest
from django.db import connection, migrations
from django.db.migrations.state import ProjectState
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from brokers.models import ForeignOrder, Position, UnclaimedOrder
from brokers.tests import rows

pytestmark = pytest.mark.django_db(transaction=True)
naming = importlib.import_module("brokers.migrations.0086_options_on_futures_are_named")


def test_each_table_is_renamed_by_portions_that_are_their_own_transactions(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(naming, "AT_ONCE", 2)
    account = rows.account(team)
    for conid in range(1, 6):
        rows.position(account, conid=conid, asset_class="futures_option" if conid < 4 else "stock")
    rows.foreign_order(account, asset_class="futures_option")
    renames = [each for each in naming.Migration.operations if isinstance(each, migrations.RunPython)]
    with CaptureQueriesContext(connection) as queries, connection.schema_editor(atomic=False) as editor:
        for each in renames:
            each.code(ProjectState().apps, editor)
        assert not editor.connection.in_atomic_block
    written = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    assert [sum(table in sql.split("SET")[0] for sql in written) for table in ("position", "foreign", "unclaimed")] == [
        3,
        2,
        1,
    ]
    assert naming.Migration.atomic is False
    classes = Position.objects.order_by("conid").values_list("asset_class", flat=True)
    assert list(classes) == ["future_option"] * 3 + ["stock"] * 2
    assert ForeignOrder.objects.get().asset_class == "future_option"
    assert not UnclaimedOrder.objects.exists()
