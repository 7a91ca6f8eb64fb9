"""From logits to text: what may follow, how it is chosen, and how many texts are written side by side."""
