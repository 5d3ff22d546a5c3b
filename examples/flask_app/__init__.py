"""A Flask application with a job queue, and the stock arq worker that runs its jobs.

Start both::

    export ARQADE_URL=redis://localhost:6379/0
    flask --app examples.flask_app.app run
    arq examples.flask_app.worker.WorkerSettings

``flask --app examples.flask_app.app arqade info`` looks at the queue.
"""
