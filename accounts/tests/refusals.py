"""Asking Postgres to accept what must not be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.apps import apps
from django.db import IntegrityError, transaction


@contextmanager
def refused_by(name: str) -> Iterator[None]:
    """What is written inside must be refused by the constraint of this name, and by no other."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        yield
    cause = caught.value.__cause__
    assert isinstance(cause, psycopg.Error)
    assert cause.diag.constraint_name == name


def named_constraints(app: str) -> set[str]:
    """Every constraint with a name in the models of an app.

    Without pairs such as (team, id), which no row can break: its id alone is unique already. They exist to be pointed to.
    """
    models = apps.get_app_config(app).get_models()
    names = {constraint.name for model in models for constraint in model._meta.constraints}
    return {name for name in names if not name.endswith(("_id_is_unique_in_its_team", "_is_pointed_to"))}
