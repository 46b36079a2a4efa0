"""RFC 5322 and MIME, without I/O: header fields byte for byte, fix-ups, notices."""
