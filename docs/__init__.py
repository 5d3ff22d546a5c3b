"""The documentation; its examples are modules of this package, so that tests can import them."""
