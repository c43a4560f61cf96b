"""The product's own settings, with a probe in every process that writes down what it asks the database and the broker."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as OURS

INSTALLED_APPS = [*OURS, "benchmarks.tracing.apps.TracingConfig"]
