"""What goes wrong, and hours of what is ordinary: run by command, `python -m tests.soak` and `.crashes`."""
