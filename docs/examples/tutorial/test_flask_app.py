"""The application with Flask, without Redis and without a worker's process."""

from flask_app import create_app
from worker import WorkerSettings

from arqade import SyncMockArqQueue
from arqade.flask import current_queue


def test_words() -> None:
    app = create_app(ARQADE_MODE="test")
    with app.app_context(), app.test_client() as client:
        posted = client.post("/texts", json={"text": "to be or not to be"})
        assert isinstance(current_queue, SyncMockArqQueue)  # for type checkers
        current_queue.assert_enqueued("count_words", "to be or not to be")

        current_queue.run_jobs(WorkerSettings)
        words = client.get(f"/texts/{posted.get_json()['id']}")
        assert words.get_json() == {"to": 2, "be": 2, "or": 1, "not": 1}
