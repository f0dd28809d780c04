"""What clients do and how it is judged, one module per workload."""
