"""The engine: operations and histories, generators, the interpreter, clusters, trials, the run store."""
