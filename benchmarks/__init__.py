"""Measures arqade beside others and the bare limits; see docs/explanation/benchmarks.md."""
