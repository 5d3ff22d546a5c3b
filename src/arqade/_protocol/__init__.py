"""What arq's clients and workers read and write: values in, bytes or models out. No I/O."""
