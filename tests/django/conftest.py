"""Settings for the tests that use Django in their own process; others have processes of theirs."""

from __future__ import annotations

import importlib.util

import pytest

# Newer Django needs a newer Python than arqade does, and arqade needs no Django.
if importlib.util.find_spec("django") is None:
    collect_ignore_glob = ["test_*.py"]
else:
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        DATABASES={
            alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
            for alias in ("default", "other")
        },
        INSTALLED_APPS=["arqade.django"],
        SECRET_KEY="for the tests",
        USE_TZ=True,
    )
    django.setup()
    if django.VERSION < (6,):  # It has no django.tasks.
        collect_ignore_glob = ["test_tasks_*.py"]


@pytest.fixture(autouse=True)
def _no_queue_left():
    """A test finds no queue open, and leaves none."""
    yield
    from arqade.django import queues  # noqa: PLC0415 - it needs Django

    queues.close_all()
