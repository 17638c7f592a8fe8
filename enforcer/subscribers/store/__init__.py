"""Many gateways, one truth: accounting events in a Redis or Valkey server that every gateway follows."""
