"""The torch pieces that both neural stages use."""
