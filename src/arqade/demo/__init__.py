"""arqade at work: ``python -m arqade.demo``.

It starts a Redis server and a stock arq worker of its own, enqueues jobs from async and from sync
code, prints what each call answered, and stops both. Read on in this order:

* `arqade.demo.jobs`: what the worker runs
* `arqade.demo.worker`: the worker's settings, as arq wants them
* `arqade.demo.calls`: how jobs are enqueued, watched and cancelled, async and sync
* `arqade.demo.__main__`: what starts and stops it all
"""
