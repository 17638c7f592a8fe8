"""One file for each reader: ``seeds`` to start from; ``one`` raises when an input breaks an invariant."""
