"""Who is registered: companies' static addresses and prefixes, freelancers' mobile numbers."""
