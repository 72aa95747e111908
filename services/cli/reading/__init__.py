"""What commands about the books share: asking the ledger, and its answers as rows."""
