"""The control plane of the gateway's certificate: which one it shows, and another from now on."""

from __future__ import annotations

from typing import Any

from brokers.simulator.certificates import Certificate
from brokers.simulator.wire import Answer, error

_TERMS = {"days": int, "begins_in_days": int, "name": str, "refuses_s": int}


def control_tls(certificate: Certificate | None, method: str, body: dict[str, Any]) -> Answer:
    """GET tells the certificate; POST makes another, of {"days", "begins_in_days", "name"}, or refuses handshakes for
    {"refuses_s"} seconds."""
    if certificate is None:
        return error("This gateway speaks plain http. Start it with --tls.", 404)
    if method == "POST":
        for name, value in body.items():
            if name not in _TERMS or not isinstance(value, _TERMS[name]) or isinstance(value, bool):
                return error(f"{name} is no term of a certificate, or its value is none. Known: {', '.join(_TERMS)}.")
        try:
            if "refuses_s" in body:
                certificate.refuse(body.pop("refuses_s"))
                return Answer(certificate.describe())
            certificate.renew(**body)
        except ValueError as problem:
            return error(str(problem))
    elif method != "GET":
        return error("Not Found", 404)
    return Answer(certificate.describe())
