"""Serve the simulated broker."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from brokers.simulator.run import DEFAULT_PORT, CannotServe, options, serve


class Command(BaseCommand):
    help = "Serve the simulated broker: a gateway that speaks IBKR's wire and trades on its own books."

    # It serves no page of ours: the checks of urls and templates would only delay the market.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="where to listen; loopback unless you say otherwise")
        parser.add_argument("--port", type=int, default=None)
        parser.add_argument("--preset", default=os.environ.get("SIM_PRESET", "demo"), help="demo, strict or fast")

    def handle(self, *args: Any, **arguments: Any) -> None:
        port = arguments["port"] if arguments["port"] is not None else default_port()
        try:
            token = settings.SIM_CONTROL_TOKEN
            serve(options(host=arguments["host"], port=port, preset_name=arguments["preset"], control_token=token))
        except CannotServe as reason:
            raise CommandError(str(reason)) from None


def default_port() -> int:
    """The port the rest of the project expects the gateway on."""
    if text := os.environ.get("HALYARD_GATEWAY_PORT"):
        return int(text)
    return urlsplit(settings.GATEWAY_URL).port or DEFAULT_PORT
