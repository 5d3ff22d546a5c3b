"""The worker of the application."""
