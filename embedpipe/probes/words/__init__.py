"""What is measured of word vectors by themselves."""
