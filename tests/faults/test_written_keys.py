"""The stories of `tests.test_written_keys`, here for `make faults`: it tells 2,000 of them."""

from tests.test_written_keys import call, runner, test_every_key_is_declared, watch

__all__ = ["call", "runner", "test_every_key_is_declared", "watch"]
