"""Answers: accepted or denied, always with the ruleset and the version of the tables that decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from brokers.rulebook.reasons import sentence_for


@dataclass(frozen=True, slots=True)
class Provenance:
    """Which rules answered."""

    ruleset: str
    tables: str


@dataclass(frozen=True, slots=True)
class Caution:
    """Something a person should know about an order that is nevertheless taken."""

    code: str
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        return sentence_for(self.code, self.data)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The broker would take the order; `cautions` are what a person should know about it."""

    provenance: Provenance
    cautions: tuple[Caution, ...] = ()

    @property
    def allowed(self) -> Literal[True]:
        return True


@dataclass(frozen=True, slots=True)
class Denied:
    """We refuse before sending; `reason` is stable, `sentence` says what happened and what to do next."""

    reason: str
    data: Mapping[str, object]
    provenance: Provenance

    @property
    def allowed(self) -> Literal[False]:
        return False

    @property
    def sentence(self) -> str:
        return sentence_for(self.reason, self.data)


Verdict = Accepted | Denied
