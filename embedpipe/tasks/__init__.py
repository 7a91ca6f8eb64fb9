"""Labelled data that probes measure on: one shape for each kind of question, and the files they are read from."""
