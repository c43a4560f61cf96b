"""Who goes back to the release before combos can, with combos in the rows."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Team
from brokers.domain.contracts.combos import number_of
from brokers.models import Connection, ContractLookup, NetFill
from brokers.tests import rows

NUMBER, NAME = number_of(700_000_001, 700_000_002), "SPY 261218C640/650"


def looked_up(of: Connection, ticker: str, number: int) -> ContractLookup:
    return ContractLookup.objects.create(
        connection=of, ticker=ticker, asset_class="option", status="found", conid=number
    )


@pytest.mark.django_db
def test_combos_that_were_looked_up_keep_nobody_from_the_release_before(team: Team) -> None:
    account = rows.account(team)
    looked_up(account.connection, NAME, NUMBER)
    loader = MigrationExecutor(connection).loader
    migration = loader.get_migration("brokers", "0095_combos")
    before = loader.project_state([migration.dependencies[0]])
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.schema_editor() as editor:
        migration.unapply(before, editor)
    assert ContractLookup.objects.filter(ticker=NAME).exists()
    # New rows are held to the rule of before.
    with pytest.raises(IntegrityError, match="option_asked_for_is_named"), transaction.atomic():
        looked_up(account.connection, "SPY 261218C640/660", number_of(700_000_001, 700_000_003))
    assert looked_up(account.connection, "SPY 261218C640", 700_000_001).pk
    # And what an order holds is noted as before.
    rows.order(account, filled_quantity=Decimal(3))
    assert [row.quantity for row in NetFill.objects.filter(account=account)] == [3]
