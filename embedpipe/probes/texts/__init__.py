"""What is measured of vectors of texts."""
