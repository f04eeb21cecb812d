"""A shop that publishes an event for each order, and a worker that sends a mail for each event."""
