"""How commands reach the server: one connection for all tasks, or one for each thread."""
