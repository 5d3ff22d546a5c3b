"""Applications that use arqade."""
