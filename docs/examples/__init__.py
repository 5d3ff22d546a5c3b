"""The examples that pages include; `tests/docs` runs them."""
