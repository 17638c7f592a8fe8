"""The three families' handshakes in their standard wire form, one file a family."""
