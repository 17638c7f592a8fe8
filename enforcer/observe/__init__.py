"""What operators see of a running gateway: metrics and one line per refusal. Never an address or a number."""
