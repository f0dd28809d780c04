"""Nodes as child processes on pipes, and a network between them that runs in the harness."""
