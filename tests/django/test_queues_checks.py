"""System checks of ``ARQADE``."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.apps.registry import Apps
from django.core import checks
from django.test import override_settings

from arqade.django.apps import ArqadeConfig
from tests.harness.canary import CANARY

GOOD = {"URL": "redis://localhost/0", "CODEC": "json"}


@pytest.fixture(autouse=True)
def _no_url_in_the_environment(monkeypatch):
    monkeypatch.delenv("ARQADE_URL", raising=False)
    monkeypatch.delenv("REDIS_URL", raising=False)


class OtherConfig(ArqadeConfig):
    label = "queues"


def run(value, **options):
    with override_settings(ARQADE=value):
        found = checks.run_checks(**options)
    return [message for message in found if message.id.startswith("arqade.")]


def ids(value, **options):
    return [message.id for message in run(value, **options)]


def test_application():
    """Its label is not the last part of its name, which says "django"."""
    config = apps.get_app_config("arqade")
    assert (config.name, config.verbose_name) == ("arqade.django", "arqade")


def test_other_label():
    """A project that has an application of this label gives it another one."""
    registry = Apps([f"{__name__}.{OtherConfig.__name__}"])
    assert registry.get_app_config("queues").name == "arqade.django"


@pytest.mark.parametrize("value", [{}, {"default": GOOD}, {"a": GOOD, "b": {"MODE": "test"}}])
def test_nothing_is_wrong(value):
    """Settings that can be used are no matter for a check; no server is asked."""
    assert run(value) == []


@pytest.mark.parametrize(
    ("value", "number"),
    [
        ([], "E001"),
        ({"default": "redis://localhost"}, "E001"),
        ({"default": GOOD | {"QUEUE": "mail"}}, "E002"),
        ({"default": GOOD | {"URL": f"redis://:{CANARY}@h:port"}}, "E003"),
        ({"default": GOOD | {"QUEUE_NAME": "arq:job:"}}, "E004"),
        ({"default": GOOD | {"CODEC": "no.such:codec"}}, "E005"),
        ({"default": GOOD | {"MODE": "off"}}, "E006"),
        ({"default": GOOD | {"MAX_PAYLOAD_BYTES": 0}}, "E007"),
        ({"default": GOOD | {"EXPIRES_EXTRA_MS": "1"}}, "E007"),
        ({"default": GOOD | {"DURABILITY": "much"}}, "E007"),
        ({"default": {}}, "W001"),
        ({"default": {"URL": None}}, "W001"),
    ],
)
def test_what_is_wrong(value, number):
    """Each kind of mistake has its number."""
    assert ids(value) == [f"arqade.{number}"]


def test_all_that_is_wrong():
    """Each mistake is told, of each queue."""
    value = {
        "a": {"URL": "ftp://h", "CODEC": "yaml", "MODE": 3},
        "b": {"URL": "redis://h", "QUEUENAME": "x"},
    }
    found = run(value)
    assert sorted(message.id for message in found) == [
        "arqade.E002",
        "arqade.E003",
        "arqade.E005",
        "arqade.E006",
    ]
    [unknown] = [message for message in found if message.id == "arqade.E002"]
    assert unknown.hint == "Did you mean 'QUEUE_NAME'?"
    assert "ARQADE['b']" in unknown.msg


def test_unknown_key_like_no_other():
    """A key that is like none gets the list of all."""
    [message] = run({"default": GOOD | {"z": 1}})
    assert message.hint == (
        "The keys are URL, QUEUE_NAME, CODEC, MODE, EXPIRES_EXTRA_MS, MAX_PAYLOAD_BYTES, "
        "DURABILITY."
    )


def test_url_of_the_environment(monkeypatch):
    """A queue without a URL is in order if the environment has one."""
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    assert run({"default": {}}) == []
    monkeypatch.setenv("REDIS_URL", "http://localhost")
    [message] = run({"default": {}})
    assert message.id == "arqade.W001"
    assert "REDIS_URL" in message.msg


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (GOOD, []),
        ({"MODE": "test"}, ["arqade.W002"]),
        ({"URL": "redis://h"}, ["arqade.W003"]),
        ({"URL": "redis://h", "CODEC": "pickle"}, ["arqade.W003"]),
        ({"URL": "redis://h", "CODEC": "restricted-pickle"}, []),
    ],
)
def test_deployment(entry, expected):
    """What is no good in production is told by ``check --deploy`` alone."""
    assert ids({"default": entry}) == []
    assert ids({"default": entry}, include_deployment_checks=True) == expected


def test_deployment_of_wrong_settings():
    """Settings that can't be read are told of once."""
    for value in (3, {"default": 3}):
        assert ids(value, include_deployment_checks=True) == ["arqade.E001"]
