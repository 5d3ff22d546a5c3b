"""Texts are posted, and their words counted by a worker: a project in one file."""

import json
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import path

from arqade import JobNotFound
from arqade.django import aqueue, queue

settings.configure(
    ARQADE={"default": {}},  # the server is that of ARQADE_URL
    INSTALLED_APPS=["arqade.django"],
    ALLOWED_HOSTS=["127.0.0.1", "localhost", "testserver"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="a tutorial has no secrets",
)


def post_text(request: HttpRequest) -> JsonResponse:
    job = queue.enqueue("count_words", json.loads(request.body)["text"])
    return JsonResponse({"id": job.id}, status=202)


async def get_words(request: HttpRequest, job_id: str) -> JsonResponse:
    try:
        result = await aqueue.wait_for_result(job_id, timeout=10)
    except JobNotFound:
        raise Http404 from None
    except TimeoutError:
        return JsonResponse({"detail": "not yet"}, status=504)
    return JsonResponse(result.unwrap())


urlpatterns = [path("texts", post_text), path("texts/<job_id>", get_words)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
