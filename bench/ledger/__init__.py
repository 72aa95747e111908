"""What the ledger rows share: entries, calls, and the bare writer beside them."""
