"""The documentation is held to the code, and builds without a warning."""
