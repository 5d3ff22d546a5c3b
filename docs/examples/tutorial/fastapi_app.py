"""Texts are posted, and their words counted by a worker: with FastAPI."""

import os
from typing import Annotated

from fastapi import Body, FastAPI, HTTPException

from arqade import JobNotFound, RedisSettings
from arqade.fastapi import ArqQueueDep, lifespan

settings = RedisSettings.from_url(os.environ.get("ARQADE_URL", "redis://localhost"))
app = FastAPI(lifespan=lifespan(mode="production", redis_settings=settings))


@app.post("/texts", status_code=202)
async def post_text(
    text: Annotated[str, Body(embed=True)], queue: ArqQueueDep
) -> dict[str, str]:
    job = await queue.enqueue("count_words", text)
    return {"id": job.id}


@app.get("/texts/{job_id}")
async def get_words(job_id: str, queue: ArqQueueDep) -> dict[str, int]:
    try:
        result = await queue.wait_for_result(job_id, timeout=10)
    except JobNotFound:
        raise HTTPException(404) from None
    except TimeoutError:
        raise HTTPException(504, "not yet") from None
    words: dict[str, int] = result.unwrap()
    return words
