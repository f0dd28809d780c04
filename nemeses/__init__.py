"""What injects and heals faults, one module per kind."""
