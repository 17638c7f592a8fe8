"""The documentation: pages, and what of them is made from the code."""
