"""What the stories are made of: ids, queues, options, arguments, right ones and wrong ones."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from tests.parity.sides import DEFAULT_QUEUE, Request, Until
from tests.parity.values import UNSENDABLE, VALUES, Named

__all__ = [
    "ARGS",
    "DEFERS",
    "HEALTH",
    "IDS",
    "JUMPS",
    "KWARGS",
    "LIVES",
    "MAX_BYTES",
    "OPTIONS",
    "POLICIES",
    "QUEUES",
    "READS",
    "TIMEOUTS",
    "TOKENS",
    "UNSENDABLE_JOBS",
    "WRONG_NAMES",
    "WRONG_OPTIONS",
    "WRONG_QUEUES",
    "WRONG_TIMEOUTS",
]

# Clocks are advanced by multiples of 110 seconds only. No life and no deferral comes close to one
# of these (3600 % 110 = 80, 86400 % 110 = 50, 88400 % 110 = 70, 310 % 110 = 90, 71), so that
# nothing can end on one side a moment before it ends on the other.
JUMPS = (110, 330, 3630, 14_300, 86_460 // 110 * 110, 90_200)
DEFERS = (35, 145, 3665, 35.5, timedelta(seconds=145), 86_400 + 35, 10**9 + 35)
LIVES = (15, 125, 3645, 15.25, timedelta(seconds=125))

IDS = st.one_of(
    st.sampled_from(["a", "a", "b"]),
    st.sampled_from(["a", "b", "c", "d"]),
    st.sampled_from(["ключ ☃ \U0001f600", "x" * 512, "é" * 256, "with space:and/signs", "a/child"]),
)
QUEUES = st.sampled_from([None, None, None, DEFAULT_QUEUE, "mail", "очередь"])
WRONG_NAMES = st.sampled_from(
    ["", "a\n", "x" * 513, "é" * 257, "\ud800", 5, b"a", ("a",), "\x7f", "\x85"]
)
WRONG_QUEUES = st.one_of(
    WRONG_NAMES,
    st.sampled_from(["arq:job:x", "arq:abort", "arq:result:", "arqade:x", "q:health-check"]),
)
POLICIES = st.sampled_from(["raise", "return_existing", "ignore_result", "replace"])
TIMES: dict[str, st.SearchStrategy[Any]] = {
    "_defer_by": st.sampled_from([0, 0.0, *DEFERS]),
    "_defer_until": st.sampled_from(
        [
            *(Until(-50), Until(-(10**8)), Until(35), Until(145, naive=True), Until(3665)),
            Until(100_035),
        ]
    ),
}
OPTIONS = st.builds(
    lambda options, times: {**options, **times},
    st.fixed_dictionaries(
        {},
        optional={
            "_expires": st.sampled_from(LIVES),
            "_job_try": st.sampled_from([1, 2, 3, 9, 1_000_000]),
            "_on_conflict": POLICIES,
        },
    ),
    st.one_of(
        st.just({}),
        *(strategy.map(lambda value, name=name: {name: value}) for name, strategy in TIMES.items()),
    ),
)
WRONG_OPTIONS = st.one_of(
    st.sampled_from(
        [
            {"_defer_by": 35, "_defer_until": Until(35)},
            {"_defer_by": -1},
            {"_defer_by": math.nan},
            {"_defer_by": math.inf},
            {"_defer_by": 10**12},
            {"_defer_by": 253_402_300_799},
            {"_defer_by": "35"},
            {"_defer_by": True},
            {"_defer_by": timedelta(seconds=-1)},
            {"_defer_until": 35},
            {"_expires": 0},
            {"_expires": -1},
            {"_expires": timedelta(0)},
            {"_expires": math.inf},
            {"_expires": "15"},
            {"_expires": 10**400},
            {"_job_try": 0},
            {"_job_try": -1},
            {"_job_try": True},
            {"_job_try": "1"},
            {"_job_try": 1_000_001},
            {"_on_conflict": "overwrite"},
            {"_on_conflict": None},
            {"_token": ""},
            {"_token": 5},
            {"_queue": "mail"},
            {"_jobid": "a"},
            {"_unknown": 1},
        ]
    ),
    WRONG_NAMES.map(lambda value: {"_job_id": value}),
    WRONG_QUEUES.map(lambda value: {"_queue_name": value}),
)
ARGS = st.lists(VALUES, max_size=2)
KWARGS = st.dictionaries(
    st.sampled_from(["task", "self", "queue_name", "job_id", "ключ", "x"]), VALUES, max_size=2
)
TIMEOUTS = st.sampled_from([0, 0.0, -1])
WRONG_TIMEOUTS = st.sampled_from(["1", True, math.nan, timedelta(0)])
TOKENS = st.sampled_from(["token-1", "token-2", "ключ"])
MAX_BYTES = 100_000
"""The largest payload that the queues take."""

UNSENDABLE_JOBS = [
    *(Request("echo", [Named(name)], {"job_id": "spoilt"}) for name in UNSENDABLE),
    Request("echo", [b"x" * 120_000], {"job_id": "spoilt"}),
    "no request",
    None,
]
HEALTH = b"Nov-22 19:53:23 j_complete=7 j_failed=1 j_retried=2 j_ongoing=3 queued=4"

READS = ("get_job_status", "get_job_metadata", "get_job_result")
