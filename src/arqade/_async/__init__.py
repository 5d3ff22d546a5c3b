"""A queue's interface and its implementation on Redis."""
