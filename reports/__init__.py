"""The terminal, HTML and machine-readable faces of a trial."""
