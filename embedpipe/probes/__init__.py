"""Measurements of a bundle on labelled tasks, each beside baselines and with an interval."""
