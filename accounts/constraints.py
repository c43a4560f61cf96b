"""Constraints that Django does not ship: tenants never meet, and Postgres sees to it."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models.expressions import Expression


class SameTeam(models.BaseConstraint):
    """A composite foreign key (team, field) -> (team, id): the row and what it points to belong to one team.

    The target model needs `one_id_per_team`, a unique constraint over (team, id). The plain foreign key beside it is
    declared with `db_constraint=False`, so that Postgres checks once, not twice.
    """

    # The foreign key that the row and what it points to have in common.
    beside = "team"

    def __init__(self, *, field: str, name: str, violation_error_message: str | None = None) -> None:
        super().__init__(name=name, violation_error_message=violation_error_message)
        self.field = field

    def constraint_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        """The clause as it stands inside CREATE TABLE."""
        assert model is not None
        assert schema_editor is not None
        quote = schema_editor.quote_name
        field, beside = model._meta.get_field(self.field), quote(f"{self.beside}_id")
        target = field.related_model
        assert isinstance(field, models.ForeignKey)
        assert isinstance(target, type)
        assert issubclass(target, models.Model)
        # on_delete stays with Django, which deletes children first; Postgres merely refuses what would be left hanging.
        return (
            f"CONSTRAINT {quote(self.name)} FOREIGN KEY ({beside}, {quote(field.column)}) "
            f"REFERENCES {quote(target._meta.db_table)} ({beside}, {quote('id')}) DEFERRABLE INITIALLY IMMEDIATE"
        )

    def create_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        assert model is not None
        assert schema_editor is not None
        table = schema_editor.quote_name(model._meta.db_table)
        return f"ALTER TABLE {table} ADD {self.constraint_sql(model, schema_editor)}"

    def remove_sql(self, model: type[models.Model] | None, schema_editor: BaseDatabaseSchemaEditor | None) -> str:
        assert model is not None
        assert schema_editor is not None
        table = schema_editor.quote_name(model._meta.db_table)
        return f"ALTER TABLE {table} DROP CONSTRAINT {schema_editor.quote_name(self.name)}"

    def validate(
        self,
        model: type[models.Model],
        instance: models.Model,
        exclude: Any = None,
        using: str | None = "default",
    ) -> None:
        """The same check in Python, for forms."""
        row: Any = instance
        target, column = getattr(row, self.field, None), f"{self.beside}_id"
        if target is not None and getattr(target, column) != getattr(row, column):
            raise ValidationError(self.get_violation_error_message(), code=self.violation_error_code)

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        path, _args, kwargs = super().deconstruct()
        return path, (), {**kwargs, "field": self.field}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SameTeam):
            return self.name == other.name and self.field == other.field
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.field))


class CarriedBy(SameTeam):
    """A composite foreign key (carrier, field) -> (carrier, id): a row that has the one has the other's own.

    The target model needs a unique constraint over (id, carrier). Where `field` is null nothing is asked.
    """

    def __init__(self, *, field: str, carrier: str, name: str, violation_error_message: str | None = None) -> None:
        super().__init__(field=field, name=name, violation_error_message=violation_error_message)
        self.beside = carrier

    def deconstruct(self) -> tuple[str, Any, dict[str, Any]]:
        path, args, kwargs = super().deconstruct()
        return path, args, {**kwargs, "carrier": self.beside}

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CarriedBy):
            return (self.name, self.field, self.beside) == (other.name, other.field, other.beside)
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.name, self.field, self.beside))


def same_team(field: str, model: str) -> SameTeam:
    """`same_team("account", "ticket")` names the constraint `ticket_and_its_account_share_a_team`."""
    return SameTeam(
        field=field,
        name=f"{model}_and_its_{field}_share_a_team",
        violation_error_message=f"This {field.replace('_', ' ')} belongs to another team.",
    )


def one_id_per_team(model: str) -> models.UniqueConstraint:
    """The unique pair that composite foreign keys point to."""
    return models.UniqueConstraint(fields=["team", "id"], name=f"{model}_id_is_unique_in_its_team")


def one_of(field: str, values: Any) -> Expression | models.Q:
    """A condition: the column holds one of the words of an enum."""
    return models.Q(**{f"{field}__in": [str(value) for value in values]})
