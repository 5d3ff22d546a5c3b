"""The application with FastAPI, without Redis and without a worker's process."""

import pytest
from fastapi_app import app
from httpx import ASGITransport, AsyncClient
from worker import WorkerSettings

from arqade import MockArqQueue
from arqade.fastapi import get_arq_queue


@pytest.mark.anyio
async def test_words(arqade_mock: MockArqQueue) -> None:
    app.dependency_overrides[get_arq_queue] = lambda: arqade_mock
    transport = ASGITransport(app)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        posted = await client.post("/texts", json={"text": "to be or not to be"})
        arqade_mock.assert_enqueued("count_words", "to be or not to be")

        await arqade_mock.run_jobs(WorkerSettings)
        words = await client.get(f"/texts/{posted.json()['id']}")
        assert words.json() == {"to": 2, "be": 2, "or": 1, "not": 1}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
