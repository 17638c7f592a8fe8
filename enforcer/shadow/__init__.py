"""The shadow report: what enforcing would do, in totals. Never a person, an address, a number or a destination."""
