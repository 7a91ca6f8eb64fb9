"""Kneser-Ney n-gram models of any order, counted from a sorted index of the training stream."""
