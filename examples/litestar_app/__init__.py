"""A Litestar application with a job queue, and the stock arq worker that runs its jobs.

Start both::

    export ARQADE_URL=redis://localhost:6379/0
    uvicorn examples.litestar_app.main:app
    arq examples.litestar_app.worker.WorkerSettings
"""
