"""The views that use `django.tasks`, which Django has since 6.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import JsonResponse
from django.tasks import TaskResultStatus
from django.tasks.exceptions import TaskResultDoesNotExist
from django.views.decorators.http import require_GET, require_POST

from examples.django_app.tasks import count_images

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

__all__ = ["get_count", "post_count"]


@require_POST
def post_count(_request: HttpRequest) -> HttpResponse:
    """Have the images counted."""
    result = count_images.enqueue()
    return JsonResponse({"id": result.id, "status": result.status}, status=202)


@require_GET
def get_count(_request: HttpRequest, result_id: str) -> HttpResponse:
    """Tell how many images were counted, once they are."""
    try:
        result = count_images.get_result(result_id)
    except TaskResultDoesNotExist:
        return JsonResponse({"detail": "There is no such task."}, status=404)
    done = result.status == TaskResultStatus.SUCCESSFUL
    return JsonResponse({"status": result.status, "count": result.return_value if done else None})
