"""The benchmarks' harness: what it measures, and what it makes of it."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
from benchmarks import rounds
from benchmarks.catalogue import ALL_WORKS, PUSH_SUBJECTS, SUBJECTS, WORKS, Size
from benchmarks.processes import start_server
from benchmarks.ratios import Spread, faster, longer
from benchmarks.report import markdown, work_lines, write_report
from benchmarks.targets import TARGETS, check_lines

MACHINE = {
    "cpu": "A", "cores": 2, "system": "B", "python": "3", "server": "C", "load": [0.0],
    "started": "now", "seconds": 1,
}  # fmt: skip


@pytest.fixture
def own_environment(monkeypatch):
    """Run all subjects in this environment, which has arqade."""
    for name, subject in SUBJECTS.items():
        monkeypatch.setitem(rounds.SUBJECTS, name, replace(subject, environment=sys.prefix))


def timed(**subjects):
    """Make a work's results from the seconds of each subject's rounds."""
    return {
        "title": "T",
        "unit": "jobs",
        "calls": 100,
        "skipped": {},
        "subjects": {
            name.replace("_", "-"): {
                "rounds": [{"seconds": seconds, "cpu": 1.0, "server_cpu": 1.0} for seconds in found]
            }
            for name, found in subjects.items()
        },
    }


def test_works_name_known_subjects():
    """Works and targets name subjects and works that there are."""
    named = [*(work.subjects for work in WORKS.values()), *PUSH_SUBJECTS.values()]
    assert {name for names in named for name in names} == set(SUBJECTS)
    assert {target.work for target in TARGETS} <= set(ALL_WORKS)


def test_ratios_are_taken_round_by_round():
    """A round that was slow for all changes no ratio."""
    work = timed(arqade=[1, 10, 2], arq=[3, 30, 8])
    assert faster(work, "arqade", "arq") == Spread(3, 3, 4)
    assert longer(work, "arq", "arqade") == Spread(3, 3, 4)
    assert faster(work, "arqade", "saq") is None


def test_check_fails_below_a_target():
    """A figure below its target fails the check, as does one that was not measured."""
    lines, met = check_lines({"threads-8": timed(arqade_sync=[1], huey=[0.9], rq=[3.1])})
    assert not met
    verdicts = [line.split("  ")[0].strip() for line in lines if "threads-8" in line]
    assert verdicts == ["NOT MET", "met", "NOT MET"]


@pytest.mark.parametrize(
    ("name", "subjects"),
    [
        ("enqueue-async", ("arqade", "limit-async-connection", "limit-protocol")),
        ("enqueue-sync-10k", ("arqade-sync", "limit-client", "limit-socket")),
        ("threads-8", ("arqade-sync", "limit-connection")),
        ("result", ("arqade", "arqade-sync")),
    ],
)
def test_work_is_measured(name, subjects, own_environment, tmp_path):
    """Each subject does its work in every round, and the tables tell of it."""
    with start_server() as server:
        work = rounds.measure_work(WORKS[name], Size(rounds=2, calls=16), subjects, server)
    work.pop("packages")
    assert not work["skipped"]
    assert {len(found["rounds"]) for found in work["subjects"].values()} == {2}
    assert len(list(work_lines(name, work))) == len(subjects) + 1
    results = {"machine": MACHINE, "works": {name: work}}
    paths = write_report(results, str(tmp_path))
    assert json.loads(paths[0].read_text())["works"][name]["calls"] == 16
    assert SUBJECTS[subjects[-1]].label in markdown(results)
    if name.startswith("enqueue"):
        assert {found["round_trips"] for found in work["subjects"].values()} == {1}


def test_subject_that_fails_is_left_out(own_environment):
    """What a subject can't do is told, and the others go on."""
    work = replace(WORKS["enqueue-sync"], operation="juggle", subjects=("arqade-sync",))
    with start_server() as server:
        found = rounds.measure_work(work, Size(1, 1), work.subjects, server)
    assert found["skipped"] == {"arqade-sync": "it has no operation 'juggle'"}


def test_results_are_waited_for(own_environment):
    """A latency is that of a result which came while its caller waited."""
    with start_server() as server:
        found = rounds.measure_push("push-1", 1, 1, ("arqade",), server)
    [measured] = found["subjects"]["arqade"]["rounds"]
    [latency] = measured["latencies"]
    assert 0 < latency < 5
