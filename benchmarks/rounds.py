"""Works that several subjects do in interleaved rounds.

Every round runs every subject once, and each round begins with another one. So what disturbs the
machine disturbs them all, and a ratio is one of a single round. The first round is not counted: in
it connections are made and servers learn scripts.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from benchmarks.catalogue import PUSH_SUBJECTS, SUBJECTS, WORKS
from benchmarks.extras import peak_connections, round_trips, watching
from benchmarks.jobs import result_bytes
from benchmarks.processes import Agent, Skipped
from benchmarks.push import push_round

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.catalogue import Size, Work
    from benchmarks.processes import Server

Results = dict[str, Any]
FINISHED = "finished"
"""The id of the job that is read."""


def tell(line: str) -> None:
    """Print what is going on."""
    print(line, flush=True)


@contextlib.contextmanager
def open_agents(names: tuple[str, ...], server: Server, results: Results) -> Iterator[list[Agent]]:
    """Start the processes of subjects; the reason for one that can't be is noted and printed."""
    with contextlib.ExitStack() as stack:
        agents = []
        for name in names:
            try:
                agent = stack.enter_context(Agent(SUBJECTS[name], server.url))
            except Skipped as reason:
                skip(results, name, reason)
            else:
                agents.append(agent)
                results["subjects"][name] = {"rounds": []}
                results["packages"].setdefault(SUBJECTS[name].environment, agent.hello["packages"])
        yield agents


def skip(results: Results, name: str, reason: Skipped) -> None:
    """Note and print why a subject is left out."""
    results["subjects"].pop(name, None)
    results["skipped"][name] = str(reason)
    tell(f"  left out: {SUBJECTS[name].label}: {reason}")


def run_rounds(
    agents: list[Agent], results: Results, rounds: int, one: Callable[[Agent, int], Results]
) -> None:
    """Run all subjects in all rounds.

    Args:
        agents: The subjects; one that can't do it is taken from the list.
        results: Where to note what was measured.
        rounds: How many rounds count.
        one: Measures a subject once, in the round of this number; the warm-up is number 0.
    """
    for number in range(rounds + 1):
        first = number % max(1, len(agents))
        for agent in [*agents[first:], *agents[:first]]:
            try:
                measured = one(agent, number)
            except Skipped as reason:
                agents.remove(agent)
                skip(results, agent.subject.name, reason)
            else:
                if number:
                    results["subjects"][agent.subject.name]["rounds"].append(measured)


def percentile(values: list[float], percent: float) -> float:
    """Give the value that so many percent of the values don't exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def thinned(values: list[float], count: int = 200) -> list[float]:
    """Sort values, and of more than so many keep as many, evenly spaced, with both ends."""
    ordered = sorted(values)
    if len(ordered) <= count:
        return ordered
    step = (len(ordered) - 1) / (count - 1)
    return [ordered[round(i * step)] for i in range(count)]


def request_for(work: Work, calls: int) -> Results:
    """Make the request of a work."""
    return {
        "operation": work.operation,
        "way": work.way,
        "calls": calls,
        "payload": work.payload,
        "width": work.width,
        "id": FINISHED,
    }


def measure_work(work: Work, size: Size, names: tuple[str, ...], server: Server) -> Results:
    """Measure a work.

    Args:
        work: The work.
        size: How much of it.
        names: The subjects.
        server: The server.
    """
    results: Results = {
        "title": work.title,
        "unit": work.unit,
        "calls": size.calls,
        "payload": work.payload,
        "width": work.width,
        "subjects": {},
        "skipped": {},
        "packages": {},
    }
    reads = work.unit == "reads"
    # One by one, client and server take turns: on one processor, the work of both is measured, and
    # not how fast this machine wakes an idle processor.
    server.place(together=work.way == "one by one")

    def one(agent: Agent, number: int) -> Results:
        # The warm-up of a bulk is a short one: its connections and scripts are all that is needed.
        calls = size.calls if number or work.way != "whole" else max(1000, size.calls // 10)
        server.flush()
        if reads:
            server.client.set(f"arq:result:{FINISHED}", result_bytes(FINISHED))
        before = server.cpu()
        answer = agent.ask(request_for(work, calls))
        server_cpu = server.cpu() - before
        if not reads and (there := server.count(agent.subject)) != calls:
            raise Skipped(f"{there} of its {calls} jobs are on the server")
        each = answer.pop("each")
        return {
            "seconds": answer["seconds"],
            "cpu": answer["cpu"],
            "server_cpu": server_cpu,
            **({"p50": percentile(each, 50), "p99": percentile(each, 99)} if each else {}),
        }

    with open_agents(names, server, results) as agents:
        run_rounds(agents, results, size.rounds, one)
    server.flush()
    for name, found in results["subjects"].items():
        _add_extras(work, name, found, server, request_for(work, min(size.calls, 2000)))
    return results


def _add_extras(work: Work, name: str, found: Results, server: Server, request: Results) -> None:
    """Count what can be counted, in runs whose times are not measured."""
    with contextlib.suppress(Skipped):
        if work.unit == "reads":
            server.client.set(f"arq:result:{FINISHED}", result_bytes(FINISHED))
        if work.way == "one by one":
            found["round_trips"] = round_trips(SUBJECTS[name], request, server)
        elif work.way in {"tasks", "threads"}:
            found["connections"] = peak_connections(SUBJECTS[name], request, server)
    server.flush()


def measure_push(
    name: str, rounds: int, trials: int, names: tuple[str, ...], server: Server
) -> Results:
    """Measure how soon a result is in hand after its worker has stored it.

    Args:
        name: The work's.
        rounds: How many rounds count.
        trials: Waits of each subject in a round, one after the other.
        names: The subjects.
        server: The server.
    """
    server.place(together=False)
    waiters = 1 if name == "push-1" else 1000
    results: Results = {
        "title": f"Result in hand, {waiters:,} waiting",
        "waiters": waiters,
        "trials": trials,
        "subjects": {},
        "skipped": {},
        "packages": {},
    }
    with open_agents(names, server, results) as agents:

        def one(agent: Agent, number: int) -> Results:
            server.flush()
            if not number:
                push_round(agent, server, waiters, 1)
                return {}
            latencies = push_round(agent, server, waiters, trials, number=number)
            return {"waits": len(latencies), "latencies": thinned(latencies)}

        run_rounds(agents, results, rounds, one)
    for subject, found in results["subjects"].items():
        with (
            contextlib.suppress(Skipped),
            watching(server) as seen,
            Agent(SUBJECTS[subject], server.url) as agent,
        ):
            push_round(agent, server, waiters, 1)
            found["connections"] = max(seen)
    server.flush()
    return results


def default_subjects(name: str) -> tuple[str, ...]:
    """Give the subjects of a work."""
    return WORKS[name].subjects if name in WORKS else PUSH_SUBJECTS.get(name, ("arqade",))
