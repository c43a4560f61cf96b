"""The Celery application: where tasks are nudged. The rows are the queue; losing every message here loses no order."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.conf import settings

app = Celery("halyard")
app.conf.update(settings.CELERY)
app.autodiscover_tasks()
