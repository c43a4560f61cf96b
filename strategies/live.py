"""What the browser hears about signals and decisions."""

from __future__ import annotations

from django.template.loader import render_to_string

from accounts.live import push_on_commit
from strategies.models import Signal


def signal_changed(signal_pk: int, team_pk: int) -> None:
    """After commit, the signal's row and its page show what has become of it."""
    push_on_commit(team_pk, f"signal.{signal_pk}", lambda: signal_html(signal_pk))


def signal_html(signal_pk: int) -> str:
    signal = Signal.objects.select_related("team", "strategy").get(pk=signal_pk)
    return render_to_string("strategies/_signal_row.html", {"signal": signal, "team": signal.team})
