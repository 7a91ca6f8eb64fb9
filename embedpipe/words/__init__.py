"""Word vectors: training, post-processing, queries, sentence averages, foreign formats."""
