"""The application, for ``INSTALLED_APPS``."""

from __future__ import annotations

from django.apps import AppConfig
from django.core import checks

from arqade._compat import override
from arqade.django.checks import check_deployment, check_queues

__all__ = ["ArqadeConfig"]


class ArqadeConfig(AppConfig):
    """Registers the system checks; there are no models."""

    name = "arqade.django"

    # The last part of the name, Django's default, would be "django".
    label = "arqade"

    verbose_name = "arqade"

    @override
    def ready(self) -> None:
        """Register the system checks."""
        checks.register(check_queues, "queues")
        checks.register(check_deployment, checks.Tags.security, deploy=True)
