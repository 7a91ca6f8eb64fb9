"""Sentence vectors: an LSTM beside the frequency-weighted average of word vectors."""
