"""The application's own tests: ``django-admin test examples.django_app``. They need no Redis."""

# ruff: noqa: S101 - tests assert

from __future__ import annotations

from django.test import TestCase, override_settings

from arqade import SyncMockArqQueue
from arqade.django import queue, queues
from examples.django_app.models import Image

__all__ = ["QueueTests"]


@override_settings(ARQADE={"default": {"MODE": "test"}})
class QueueTests(TestCase):
    """The views, with a queue in memory."""

    def setUp(self) -> None:
        """Forget the jobs after each test."""
        self.addCleanup(queues.close_all)

    def test_image(self) -> None:
        """The thumbnail of an image is made once the image is saved."""
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post("/images", {"name": "cat.png"})
        image = Image.objects.get(name="cat.png")
        assert response.json() == {"id": image.pk, "job_id": f"thumbnail-{image.pk}"}
        assert isinstance(queue, SyncMockArqQueue)
        queue.assert_enqueued("make_thumbnail", image.pk, width=300)

    def test_job(self) -> None:
        """A job is enqueued, and its result is shown when it is there."""
        assert isinstance(queue, SyncMockArqQueue)
        job_id = self.client.post("/jobs", {"name": "Ann"}).json()["job_id"]
        queue.assert_enqueued("greet", "Ann")
        assert self.client.get(f"/jobs/{job_id}").json() == {"status": "queued"}
        queue.set_complete(job_id, result="Hello Ann")
        expected = {"status": "complete", "success": True, "result": "Hello Ann"}
        assert self.client.get(f"/jobs/{job_id}").json() == expected

    async def test_asynchronous_job(self) -> None:
        """The asynchronous views see the same jobs."""
        assert isinstance(queue, SyncMockArqQueue)
        response = await self.async_client.post("/async/jobs", {"name": "Bob"})
        job_id = response.json()["job_id"]
        queue.assert_enqueued("greet", "Bob")
        queue.set_complete(job_id, result="no", success=False)
        response = await self.async_client.get(f"/async/jobs/{job_id}")
        assert response.json() == {"status": "complete", "success": False, "result": None}
