# Generated from tests/faults/_async/__init__.py by "make generate"; do not edit.
