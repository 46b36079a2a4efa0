"""Bytes between a socket and a protocol: TLS, PROXY protocol, certificates."""
