"""``arqade doctor``: what is wrong with a server, its queues and their jobs, and each cure.

* `arqade.cli.doctor.report`: what is found
* `arqade.cli.doctor.server`: versions, clock, configuration, pushed results
* `arqade.cli.doctor.permissions`: what this user may do
* `arqade.cli.doctor.payloads`: in which formats jobs and results are, and what workers say of them
* `arqade.cli.doctor.orphans`: what is left of jobs that are no more
* `arqade.cli.doctor.command`: the command
"""
