"""The way out: route, connection, pool, dispatcher, notices."""
