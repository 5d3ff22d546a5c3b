"""A task of `django.tasks`, which Django has since 6.0."""

from __future__ import annotations

from django.tasks import task

from examples.django_app.models import Image

__all__ = ["count_images"]


@task
def count_images() -> int:
    """Count the images, in the worker."""
    return Image.objects.count()
