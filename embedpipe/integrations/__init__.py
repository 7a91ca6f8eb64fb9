"""Bundles inside the tools that their owners already have."""
