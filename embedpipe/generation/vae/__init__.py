"""The generative model of sentences p(x | z): a variational autoencoder around the language model."""
