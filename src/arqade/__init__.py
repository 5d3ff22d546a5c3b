"""arqade: the client for arq job queues, sync and async."""
