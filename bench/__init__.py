"""The project's own benchmark: Postwicket beside Postfix and smtp-sink, in one run."""
