"""Which database this is: a name that changes when a backup is put in its place, or when the server starts again."""

from __future__ import annotations

from django.db import connection
from django.db.models import CharField
from django.db.models.expressions import RawSQL

# A dump that is restored makes another database or other tables. What is copied or rolled back beneath the server (a
# snapshot, a backup with its log, a replica that takes over) needs a start of one. Each part is asked of memory.
_NAME = """concat_ws('.', (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()),
  pg_relation_filenode('brokers_order'), extract(epoch FROM pg_postmaster_start_time()))"""


def this_database() -> RawSQL:
    """The name as an expression, so that the statement that compares it asks for it as well."""
    return RawSQL(_NAME, [], output_field=CharField())  # noqa: S611  # written above, of no words from outside


def name() -> str:
    """The name of the database that answers now, at most 60 characters long."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_NAME}")
        return str(cursor.fetchone()[0])
