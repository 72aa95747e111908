"""What an entry is, what it must fulfil, how it is sealed, and what it does to the books. Pure."""
