"""A run as a whole: its admission, its record, what it carries over; and a worker's upkeep of the ledger."""
