"""The project's settings, from environment variables."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

REDIS_URL = os.environ.get("APP_REDIS_URL", "redis://localhost:6379/1")

# The job queue. The worker has the same URL and name from here, and the same codec.
ARQADE: dict[str, dict[str, Any]] = {
    "default": {"URL": REDIS_URL, "QUEUE_NAME": "images", "CODEC": "json"},
}

# The tasks of Django 6.0 and newer have a queue, and a worker, of their own.
TASKS = {
    "default": {
        "BACKEND": "arqade.django.ArqBackend",
        "QUEUES": ["default"],
        "OPTIONS": {"URL": REDIS_URL, "CODEC": "json"},
    },
}

INSTALLED_APPS = ["arqade.django", "examples.django_app"]

# There is no protection against requests forged by other sites, since there are no sessions.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]

ROOT_URLCONF = "examples.django_app.urls"
WSGI_APPLICATION = "examples.django_app.wsgi.application"
ASGI_APPLICATION = "examples.django_app.asgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("APP_DATABASE", Path(__file__).with_name("db.sqlite3")),
    },
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SECRET_KEY = os.environ.get("APP_SECRET_KEY", "nothing is signed here")
ALLOWED_HOSTS = ["127.0.0.1", "localhost", "testserver"]
USE_TZ = True
