"""Bytes on disk: tensors, the manifest, saving, opening and verifying a bundle."""
