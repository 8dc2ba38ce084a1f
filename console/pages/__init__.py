"""What the pages show, each read from the ledger in one transaction: the ledger alone, so also while nothing else answers."""
