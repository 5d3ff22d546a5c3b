"""What the tests share: servers, stock workers, a proxy. Nothing here knows of async or sync."""
