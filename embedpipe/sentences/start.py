"""Networks before training."""
