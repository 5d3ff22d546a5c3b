"""The application's one model."""

from __future__ import annotations

from django.db import models

__all__ = ["Image"]


class Image(models.Model):
    """An image, whose thumbnail a worker makes."""

    name = models.CharField(max_length=200)

    thumbnail = models.CharField(max_length=200, blank=True)
    """Empty until it is made."""

    def __str__(self) -> str:
        return self.name
