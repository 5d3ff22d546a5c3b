"""Measures arqade beside arq, other job queues and the bare limits; see docs/explanation/benchmarks.md."""
