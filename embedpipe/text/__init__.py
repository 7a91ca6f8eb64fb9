"""Text to sentences to tokens to ids: the only room that sees raw text."""
