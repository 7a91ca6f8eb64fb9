"""What no question asks: what vectors associate, and what shape their space has."""
