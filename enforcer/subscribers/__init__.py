"""Which subscriber holds which address now."""
