"""The text generator: an LSTM language model over the shared vocabulary, its training and its decoding."""
