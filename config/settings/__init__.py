"""Everything from the environment. Without DATABASE_URL and REDIS_URL, Halyard brings servers of its own."""

from config.settings.broker import *
from config.settings.installation import *
from config.settings.pages import *
from config.settings.people import *
from config.settings.stores import *
