"""Which questions of tasks were met in training."""
