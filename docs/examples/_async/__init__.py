"""Examples of which the pages show both flavours."""
