"""Enqueue a job and wait for its result, in blocking code."""

import os

from arqade import SyncRedisArqQueue


def main() -> None:
    with SyncRedisArqQueue.from_url(os.environ["ARQADE_URL"]) as queue:
        job = queue.enqueue("count_words", "to be or not to be")
        print(job.id, job.status)
        result = queue.wait_for_result(job.id, timeout=30)
        print(result.unwrap())


main()
