"""The engine: histories, generators, the interpreter, clusters, trials, the run store."""
