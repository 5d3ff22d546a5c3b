"""What is measured: a module for each client, which imports nothing but that client.

Each has functions that take the server's URL and give a context manager, an asynchronous one for a
client of asynchronous code. In it there are the client's operations by name:

``enqueue(args, kwargs)``
    Enqueues one job, in the fastest way that the client's documentation shows.
``bulk(count, args, kwargs)``
    Enqueues so many jobs, and gives what the caller would keep of them.
``bulk_discarding(count, args, kwargs)``
    The same, with nothing kept.
``metadata(job_id)``, ``result(job_id)``
    Read a finished job.
``wait(job_id)``
    Waits for a job's result.
``prepare(count, args, kwargs)``
    Is called before the timing.
"""
