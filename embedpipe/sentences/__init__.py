"""Sentence vectors: an LSTM that corrects the frequency-weighted average of word vectors."""
