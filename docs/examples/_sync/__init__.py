# Generated from docs/examples/_async/__init__.py by "make generate"; do not edit.
"""Examples of which the pages show both flavours."""
