"""What clients tell their callers when the network fails, and whether it is true.

    python -m benchmarks.faults

Each client is a process of its own and talks to a server through a proxy that breaks what the plan
says. Afterwards the jobs on the server are counted and compared with what each caller was told.
"""
