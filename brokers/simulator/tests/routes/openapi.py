"""IBKR's own description of its API, and what it objects to.

Formats (int32 and the like) are notes in OpenAPI, and IBKR's are careless: milliseconds are called int32. They are
not checked; types, required keys and enumerations are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from openapi_schema_validator import OAS30Validator
from referencing import Registry
from referencing.jsonschema import DRAFT4

from brokers.simulator.tests.conftest import shared_ibkr


@cache
def load() -> dict[str, Any]:
    described: dict[str, Any] = json.loads((shared_ibkr() / "openapi.json").read_text())
    return described


@cache
def registry() -> Registry[Any]:
    empty: Registry[Any] = Registry()
    made: Registry[Any] = empty.with_resource("urn:ibkr", DRAFT4.create_resource(load()))
    return made


def escaped(*parts: str) -> str:
    return "/".join(part.replace("~", "~0").replace("/", "~1") for part in parts)


def objections(where: list[str], value: Any) -> list[str]:
    """What the schema at this place of the description objects to; one line for each kind of objection."""
    schema = {"$ref": f"urn:ibkr#/{escaped(*where)}"}
    errors = OAS30Validator(schema, registry=registry()).iter_errors(value)
    return sorted({_line(error) for error in _leaves(errors)})


def _leaves(errors: Any) -> Iterator[Any]:
    """The innermost objections: a body that fits none of several shapes is judged by the nearest."""
    for error in errors:
        if error.context:
            nearest = min({e.schema_path[0] for e in error.context}, key=lambda n: _weight(error.context, n))
            yield from _leaves(e for e in error.context if e.schema_path[0] == nearest)
        elif error.validator != "oneOf":
            # "One of" is meant as "any of": no key of these shapes is required, so that most bodies fit several.
            yield error


def _weight(context: Any, number: Any) -> tuple[int, int]:
    of_number = [e for e in context if e.schema_path[0] == number]
    return (max(-len(e.absolute_path) for e in of_number), len(of_number))


def _line(error: Any) -> str:
    where = "".join(f".{'*' if isinstance(part, int) else part}" for part in error.absolute_path)
    kind = type(error.instance).__name__ if error.validator == "type" else ""
    required = error.validator_value if error.validator in {"type", "required"} else ""
    return f"{where or '.'} {error.validator} {required} {kind}".rstrip()
