"""Texts are posted, and their words counted by a worker: with Flask."""

from typing import Any

from flask import Blueprint, Flask, abort, request

from arqade import JobNotFound
from arqade.flask import Arqade, current_queue

texts = Blueprint("texts", __name__)


@texts.post("/texts")
def post_text() -> tuple[dict[str, str], int]:
    job = current_queue.enqueue("count_words", request.get_json()["text"])
    return {"id": job.id}, 202


@texts.get("/texts/<job_id>")
def get_words(job_id: str) -> dict[str, int]:
    try:
        result = current_queue.wait_for_result(job_id, timeout=10)
    except JobNotFound:
        abort(404)
    except TimeoutError:
        abort(504, "not yet")
    words: dict[str, int] = result.unwrap()
    return words


def create_app(**config: Any) -> Flask:
    app = Flask(__name__)
    app.config.from_mapping(config)
    Arqade(app)  # without another word, the server is that of ARQADE_URL
    app.register_blueprint(texts)
    return app
