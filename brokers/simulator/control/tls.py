"""The control plane of the gateway's certificate: which one it shows, and another from now on."""

from __future__ import annotations

from typing import Any

from brokers.simulator.certificates import Certificate
from brokers.simulator.wire import Answer, error

_TERMS = {"days": int, "begins_in_days": int, "name": str}
_DISTURBS = {"refuses_s": int, "hangs_s": int, "wants_s": int, "certificate": str}


def control_tls(certificate: Certificate | None, method: str, body: dict[str, Any]) -> Answer:
    """GET tells the certificate; POST makes another, of {"days", "begins_in_days", "name"}, or disturbs handshakes for so
    many seconds: {"refuses_s"} ends them, {"hangs_s"} finishes none, {"wants_s", "certificate"} wants that of a client."""
    if certificate is None:
        return error("This gateway speaks plain http. Start it with --tls.", 404)
    if method == "POST":
        known = _TERMS | _DISTURBS
        for name, value in body.items():
            if name not in known or not isinstance(value, known[name]) or isinstance(value, bool):
                return error(f"{name} is no term of a certificate, or its value is none. Known: {', '.join(known)}.")
        try:
            _do(certificate, body)
        except ValueError as problem:
            return error(str(problem))
    elif method != "GET":
        return error("Not Found", 404)
    return Answer(certificate.describe())


def _do(certificate: Certificate, body: dict[str, Any]) -> None:
    if _DISTURBS.keys().isdisjoint(body):
        certificate.renew(**body)
        return
    if "refuses_s" in body:
        certificate.refuse(body["refuses_s"])
    if "hangs_s" in body:
        certificate.hang(body["hangs_s"])
    if "wants_s" in body:
        certificate.want(body["wants_s"], body.get("certificate", ""))
