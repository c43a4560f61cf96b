"""Certificates that gateways show: how a fingerprint is written, and what is to be said of one before it is trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_FINGERPRINT = re.compile(r"[0-9a-f]{64}\Z")


class FingerprintRefused(ValueError):
    """What was written is no SHA-256 fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One certificate as it was shown. `trouble` is the code of why no public authority vouches for it, "" where one does."""

    sha256: str
    subject: str
    issuer: str
    begins: datetime
    ends: datetime
    trouble: str = ""

    @property
    def is_public(self) -> bool:
        """Whether it needs no pin: an authority that every machine knows signed it for this very address."""
        return not self.trouble

    @property
    def signs_itself(self) -> bool:
        return self.subject == self.issuer

    def as_json(self) -> dict[str, str]:
        """For a row; dates as ISO 8601."""
        return {
            "sha256": self.sha256,
            "subject": self.subject,
            "issuer": self.issuer,
            "begins": self.begins.isoformat(),
            "ends": self.ends.isoformat(),
            "trouble": self.trouble,
        }

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Certificate:
        """As `as_json` wrote it."""
        begins, ends = datetime.fromisoformat(row["begins"]), datetime.fromisoformat(row["ends"])
        return cls(**{**row, "begins": begins, "ends": ends})


def fingerprint(text: str) -> str:
    """A SHA-256 fingerprint as 64 small hexadecimal digits, however it was written; "" of nothing."""
    plain = re.sub(r"[\s:.-]", "", text.strip().lower().removeprefix("sha256").removeprefix("sha-256"))
    if plain and not _FINGERPRINT.match(plain):
        raise FingerprintRefused("A SHA-256 fingerprint has 64 hexadecimal digits, in pairs with colons or without.")
    return plain


def spelled(sha256: str) -> str:
    """As programs show it: pairs with colons."""
    return ":".join(sha256[at : at + 2] for at in range(0, len(sha256), 2)).upper()


def ending(sha256: str) -> str:
    """Its last four bytes, enough to tell two apart in a sentence."""
    return spelled(sha256)[-11:]


def age(certificate: Certificate, now: datetime) -> str:
    """What is to be said of its dates; "" while it is valid."""
    if now > certificate.ends:
        return f"It ended on {_day(certificate.ends)}. Make a new one at the gateway when you can."
    if now < certificate.begins:
        return f"It begins on {_day(certificate.begins)} only. Check the clock of the gateway's machine."
    return ""


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
