"""What a script does with its queue, without Redis and without a worker."""

from worker import WorkerSettings

from arqade import SyncMockArqQueue


def test_words(sync_arqade_mock: SyncMockArqQueue) -> None:
    job = sync_arqade_mock.enqueue("count_words", "to be or not to be")
    sync_arqade_mock.run_jobs(WorkerSettings)
    result = sync_arqade_mock.get_job_result(job.id)
    assert result.unwrap() == {"to": 2, "be": 2, "or": 1, "not": 1}
