"""A Django project with a job queue, and the stock arq worker that runs its jobs.

It is one project and one application in one package. Start all of it::

    export APP_REDIS_URL=redis://localhost:6379/1
    export DJANGO_SETTINGS_MODULE=examples.django_app.settings
    django-admin migrate
    gunicorn examples.django_app.wsgi     # or: uvicorn examples.django_app.asgi:application
    arq examples.django_app.worker.WorkerSettings

and, with Django 6.0 or newer, the worker of `django.tasks`::

    arq arqade.django.worker.WorkerSettings
"""
