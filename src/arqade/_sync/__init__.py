# Generated from src/arqade/_async/__init__.py by "make generate"; do not edit.
"""A queue's interface and its implementation on Redis."""
