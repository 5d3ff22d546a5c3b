"""The settings of gunicorn: `gunicorn --config gunicorn_conf.py app.wsgi:app`."""

import math

from arqade import RedisSettings

CALLS = 2  # of the queue, at most, in one request
BUDGET = RedisSettings.from_env().retry_budget

worker_class = "gthread"
workers = 2
threads = 8
preload_app = True
timeout = graceful_timeout = math.ceil(CALLS * BUDGET) + 10
