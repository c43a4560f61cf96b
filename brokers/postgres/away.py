"""What says that the database failed, and not what it was asked: it is away, or broke off what it did."""

from __future__ import annotations

import psycopg
from django.db import InterfaceError, OperationalError

# Django's errors are no kinds of psycopg's; a pool that has no connection in time raises one of psycopg's.
AWAY = (OperationalError, InterfaceError, psycopg.OperationalError, psycopg.InterfaceError)
