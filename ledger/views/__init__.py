"""What people look at: reads that join the ledger's tables, for commands and for whatever else shows a run. Nothing writes."""
