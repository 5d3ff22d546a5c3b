"""What this user may do.

Each command is sent in a form that writes nothing: of a key that is not there, or with a value that
the server refuses after it has looked at the user's permissions.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from redis.exceptions import NoPermissionError

from arqade.cli.doctor.report import Diagnosis, good, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

__all__ = ["permissions"]

BAD: Final = "no-number"
"""Where a number belongs."""

JOB: Final = "arq:job:{id}"
RESULT: Final = "arq:result:{id}"
RUNS: Final = "arq:in-progress:{id}"
ONCE: Final = "arqade:once:{id}"
QUEUE: Final = "{queue}"

SCRIPT: Final = (("EVALSHA", "0" * 40, "0"), ("EVAL", "return 1", "0"))
READ: Final = (
    ("EXISTS", RESULT),
    ("EXISTS", RUNS),
    ("ZSCORE", QUEUE, "{id}"),
    ("STRLEN", JOB),
    ("GET", JOB),
    ("GET", RESULT),
)

OPERATIONS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "enqueue": (
        *SCRIPT,
        ("TYPE", JOB),
        ("EXISTS", RESULT),
        ("PSETEX", JOB, BAD, "-"),
        ("ZADD", QUEUE, BAD, "{id}"),
        ("SET", ONCE, "-", "PX", BAD),
        ("DEL", ONCE),
    ),
    "show, result, wait": (*SCRIPT, *READ),
    "jobs": (*SCRIPT, *READ, ("ZSCAN", QUEUE, "0", "COUNT", "1"), ("SCAN", "0", "COUNT", "1")),
    "info": (
        *SCRIPT,
        ("ZCOUNT", QUEUE, "0", "0"),
        ("ZRANGE", QUEUE, "0", "0"),
        ("ZRANGEBYSCORE", QUEUE, "0", "0"),
        ("GET", "{queue}:health-check"),
        ("PTTL", "{queue}:health-check"),
    ),
    "cancel": (
        *SCRIPT,
        *READ,
        ("ZREM", QUEUE, "{id}"),
        ("ZADD", "arq:abort", BAD, "{id}"),
        ("SET", RUNS, "-", "PX", BAD),
        ("DEL", JOB),
        ("DEL", "arq:retry:{id}"),
    ),
    "purge": (*SCRIPT, ("ZCARD", QUEUE), ("ZREM", QUEUE, "{id}"), ("MSET", RUNS, "-", RUNS)),
    "delete": (("UNLINK", RESULT),),
}
"""What the commands of this command line send, as far as permissions go."""


def permissions(client: redis.Redis, queue_names: tuple[str, ...]) -> Iterator[Diagnosis]:
    """Tell what this user may not do with queues."""
    for queue_name in queue_names:
        denied = {
            operation: sorted(_denied(client, queue_name, commands))
            for operation, commands in OPERATIONS.items()
        }
        refused = {operation: words for operation, words in denied.items() if words}
        if not refused:
            yield good("permissions", f"This user may do everything with {queue_name}")
        for operation, words in refused.items():
            yield told(
                "permissions",
                f"This user may not {operation} on {queue_name}: {', '.join(words)}",
                "allow this, if the user is to do it: see Permissions in arqade's reference",
            )


def _denied(
    client: redis.Redis, queue_name: str, commands: tuple[tuple[str, ...], ...]
) -> Iterator[str]:
    """Give what of some commands is denied, as they are called in access control lists."""
    # Of a name that nothing has.
    names = {"id": f"arqade-doctor-{secrets.token_hex(8)}", "queue": queue_name}
    pipeline: Any = client.pipeline(transaction=False)
    for words in commands:
        pipeline.execute_command(*(word.format(**names) for word in words))
    for words, answer in zip(commands, pipeline.execute(raise_on_error=False), strict=True):
        if isinstance(answer, NoPermissionError):
            key = words[1].format(id="*", queue=queue_name) if words not in SCRIPT else ""
            yield f"{words[0].lower()} {key}".strip()
