"""The views: they enqueue jobs and tell what has become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET, require_POST

from arqade import JobNotFound, JobResult, JobResultUnavailable, JobStatus
from arqade.django import aqueue, on_commit, queue
from examples.django_app.models import Image

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

__all__ = ["aget_job", "apost_job", "get_image", "get_job", "post_image", "post_job"]


@require_POST
def post_image(request: HttpRequest) -> HttpResponse:
    """Save an image, and have its thumbnail made once it is saved."""
    with transaction.atomic():
        image = Image.objects.create(name=request.POST.get("name", "nameless"))
        on_commit("make_thumbnail", image.pk, width=300, _job_id=f"thumbnail-{image.pk}")
    return JsonResponse({"id": image.pk, "job_id": f"thumbnail-{image.pk}"}, status=202)


@require_GET
def get_image(_request: HttpRequest, image_id: int) -> HttpResponse:
    """Show an image."""
    image = get_object_or_404(Image, pk=image_id)
    return JsonResponse({"name": image.name, "thumbnail": image.thumbnail})


@require_POST
def post_job(request: HttpRequest) -> HttpResponse:
    """Have somebody greeted."""
    job = queue.enqueue("greet", request.POST.get("name", "world"))
    return JsonResponse({"job_id": job.id, "status": job.status}, status=202)


@require_GET
def get_job(_request: HttpRequest, job_id: str) -> HttpResponse:
    """Tell what has become of a job."""
    try:
        job = queue.get_job_metadata(job_id)
        if job.status != JobStatus.complete:
            return JsonResponse({"status": job.status})
        result = queue.get_job_result(job_id)
    except (JobNotFound, JobResultUnavailable) as error:
        return JsonResponse({"detail": str(error)}, status=404)
    return JsonResponse(_outcome(result))


@require_POST
async def apost_job(request: HttpRequest) -> HttpResponse:
    """Have somebody greeted; this view does not block."""
    job = await aqueue.enqueue("greet", request.POST.get("name", "world"))
    return JsonResponse({"job_id": job.id, "status": job.status}, status=202)


@require_GET
async def aget_job(_request: HttpRequest, job_id: str) -> HttpResponse:
    """Wait for a job's end, and tell its result; no thread waits meanwhile."""
    try:
        result = await aqueue.wait_for_result(job_id, timeout=20)
    except JobNotFound as error:
        return JsonResponse({"detail": str(error)}, status=404)
    except TimeoutError:
        return JsonResponse({"detail": "The job is not done yet."}, status=504)
    return JsonResponse(_outcome(result))


def _outcome(result: JobResult[Any]) -> dict[str, Any]:
    return {
        "status": result.status,
        "success": result.success,
        "result": result.result if result.success else None,
    }
