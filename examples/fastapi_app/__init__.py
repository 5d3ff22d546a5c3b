"""A FastAPI application with a job queue, and the stock arq worker that runs its jobs.

It is the example of safir's guide to arq queues, with the imports changed to arqade's. Start both::

    export APP_ARQ_QUEUE_URL=redis://localhost:6379/1
    uvicorn examples.fastapi_app.main:app
    arq examples.fastapi_app.worker.main.WorkerSettings

With ``APP_ARQ_MODE=test`` the application needs no Redis and no worker.
"""
