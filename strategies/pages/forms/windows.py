"""A field of trading windows, one row each. Rows can be added and removed without a script too."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from datetime import time
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.utils.datastructures import MultiValueDict

from strategies.domain.terms.windows import DAYS, Window

ZONE = "America/New_York"
# More than the allowed number of windows, so that too many are refused with a sentence and not dropped.
MOST_ROWS = 60
Row = dict[str, Any]


def empty_row() -> Row:
    return {"days": [], "start": "", "end": "", "zone": ZONE}


@cache
def zones() -> tuple[str, ...]:
    """The names of time zones to choose from. Cached, since reading them opens hundreds of files."""
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))


def row_context(number: str, row: Mapping[str, Any], *, spare: bool) -> dict[str, Any]:
    """One row for its template, each day ticked or not; `spare` is the empty one at the end."""
    days = [{"value": day, "label": day.capitalize(), "on": day in row["days"]} for day in DAYS]
    # The input shows seconds only where a time has some.
    step = 1 if any(len(str(row[name])) > 5 for name in ("start", "end")) else 60
    return {
        "number": number,
        "days": days,
        "start": row["start"],
        "end": row["end"],
        "zone": row["zone"],
        "spare": spare,
        "step": step,
    }


class WindowsInput(forms.Widget):
    """Reads `windows-0-days`, `windows-0-start` ... as rows; drops rows that are empty or marked for removal."""

    needs_multipart_form = False

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[Row]:
        rows: dict[int, Row] = defaultdict(empty_row)
        pattern = re.compile(rf"{re.escape(name)}-(\d{{1,3}})-(days|start|end|zone|remove)")
        for key in data:
            match = pattern.fullmatch(key)
            if match and int(match[1]) < 1000:
                rows[int(match[1])][match[2]] = _listed(data, key) if match[2] == "days" else str(data[key]).strip()
        sent = (rows[number] for number in sorted(rows))
        kept = [row for row in sent if not row.get("remove") and (row["days"] or row["start"] or row["end"])]
        return kept[:MOST_ROWS]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return False


def _listed(data: Mapping[str, Any], key: str) -> list[str]:
    values = data.getlist(key) if isinstance(data, MultiValueDict) else data[key]
    return [str(value) for value in ([values] if isinstance(values, str) else values)]


class WindowsField(forms.Field):
    """Rows in, a tuple of Window out."""

    widget = WindowsInput

    def clean(self, value: Any) -> tuple[Window, ...]:
        windows: list[Window] = []
        problems: list[str] = []
        for number, row in enumerate(value or [], start=1):
            try:
                windows.append(_window(row))
            except forms.ValidationError as error:
                problems += [f"Row {number}: {sentence}" for sentence in error.messages]
        if problems:
            raise forms.ValidationError(problems)
        return tuple(windows)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return list(initial or []) != list(data or [])


def _window(row: Row) -> Window:
    days = [day for day in DAYS if day in row["days"]]
    if not days:
        raise forms.ValidationError("A trading window needs a day. Choose one, or remove the row.")
    zone = row["zone"] or ZONE
    return Window(
        days=tuple(DAYS.index(day) for day in days), start=_time(row["start"]), end=_time(row["end"]), zone=zone
    )


def _time(text: str) -> time:
    try:
        moment = time.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise forms.ValidationError("Write both times of day, such as 09:30 and 16:00.")
    return moment
