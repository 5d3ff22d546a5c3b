"""A project that has nothing but tasks."""

from __future__ import annotations

import os

from tests.django.tasks_project.running import tasks_setting

INSTALLED_APPS = ["arqade.django", "tests.django.tasks_project"]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["TASKS_DATABASE"]},
}
SECRET_KEY = "for the tests"
USE_TZ = True
TASKS = tasks_setting(os.environ["TASKS_REDIS_URL"])
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"all": {"class": "logging.StreamHandler"}},
    "loggers": {"django.tasks": {"handlers": ["all"], "level": "INFO"}},
}
