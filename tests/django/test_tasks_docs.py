"""The page on tasks: its project runs as it is shown, and its tables are complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from arqade.django import _task_settings
from tests.harness.worker import PATIENCE, ROOT, stock_environment

PAGE = (ROOT / "docs" / "frameworks" / "django-tasks.md").read_text(encoding="utf-8")
FILE = re.compile(r"^```python\n# (\S+\.py)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
URL = "redis://localhost:6379/0"

USE = """
import asyncio, json
import django
django.setup()
from django.test import AsyncRequestFactory, RequestFactory
from shop.views import get_image, post_image

answer = json.loads(post_image(RequestFactory().post("/")).content)
from django.core.management import call_command
from shop.tasks import resize, send_mail
from django.tasks import task_backends
mails = list(task_backends["default"].queue.iter_jobs("arq:tasks:default:mail"))
call_command("arqworker", "--burst")
call_command("arqworker", "--burst", "--queue=mail")
shown = asyncio.run(get_image(AsyncRequestFactory().get("/"), answer["id"]))
print(json.dumps([json.loads(shown.content), send_mail.get_result(mails[0].id).return_value]))
"""


def test_project(redis_url, tmp_path):
    """Views enqueue, workers run, and views show the results."""
    files = dict(FILE.findall(PAGE))
    assert sorted(files) == ["settings.py", "shop/tasks.py", "shop/views.py", "worker.py"]
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    database = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
    files["settings.py"] += f'SECRET_KEY = "x"\nDATABASES = {database}\n'
    for name, text in files.items():
        (tmp_path / name).write_text(text.replace(URL, redis_url), encoding="utf-8")
    env = stock_environment(
        DJANGO_SETTINGS_MODULE="settings",
        PYTHONPATH=os.pathsep.join((str(tmp_path), str(ROOT))),
    )

    def run(*command):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    last = run("-c", USE).splitlines()[-1]
    assert last == '[{"status": "SUCCESSFUL", "value": "7, 300 pixels wide"}, 2]'
    assert "the mail worker starts" in run("-m", "arq", "worker.MailWorker", "--burst")


def test_tables():
    """All options, settings of workers and checks are told."""
    for name in _task_settings.OPTIONS:
        assert f"\n| `{name}` |" in PAGE
    for name in _task_settings.WORKER:
        assert f"`{name}`" in PAGE
    codes = {code for _, code, _ in _task_settings.OPTIONS.values()} | {
        *("E050", "E051", "E057", "E058", "W050", "W051")
    }
    assert set(re.findall(r"^\| `arqade\.(\w+)` \|", PAGE, re.MULTILINE)) == codes
