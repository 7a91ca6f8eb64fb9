"""Probes that any corpus makes of itself, without labels: what can be read off the vector of a sentence?

After Conneau et al. (2018), "What you can cram into a single vector". No word list and no parser is used, so that they
work for any language and tokenizer.
"""
