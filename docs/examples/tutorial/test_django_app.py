"""The application with Django, without Redis and without a worker's process."""

from django.test import SimpleTestCase, override_settings
from worker import WorkerSettings

from arqade import SyncMockArqQueue
from arqade.django import queue, queues


@override_settings(ARQADE={"default": {"MODE": "test"}})
class WordsTests(SimpleTestCase):
    def test_words(self) -> None:
        self.addCleanup(queues.close_all)
        text = {"text": "to be or not to be"}
        posted = self.client.post("/texts", text, content_type="application/json")
        assert isinstance(queue, SyncMockArqQueue)  # for type checkers
        queue.assert_enqueued("count_words", "to be or not to be")

        queue.run_jobs(WorkerSettings)
        words = self.client.get(f"/texts/{posted.json()['id']}")
        assert words.json() == {"to": 2, "be": 2, "or": 1, "not": 1}
