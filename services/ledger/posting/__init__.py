"""How entries come into the books: one writer, in groups, and what is built on it."""
