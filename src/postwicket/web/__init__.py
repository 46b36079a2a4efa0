"""The web worker: health, and the local inbox."""
