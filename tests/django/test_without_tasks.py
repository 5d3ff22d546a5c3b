"""A Django that has no tasks yet: what needs them says so."""

from __future__ import annotations

import django
import pytest
from django.core.management import CommandError, call_command

import arqade.django

pytestmark = pytest.mark.skipif(django.VERSION >= (6,), reason="this Django has tasks")


@pytest.mark.parametrize("command", ["arqinfo", "arqworker"])
def test_commands(command):
    """Without a traceback."""
    with pytest.raises(CommandError, match=r"No module named 'django.tasks'.* Django 6.0"):
        call_command(command)


def test_backend():
    """The package can be imported, and the backend can't."""
    with pytest.raises(ImportError, match=r"django\.tasks"):
        arqade.django.ArqBackend  # noqa: B018
