"""The log of the books: a Merkle tree over all entries, and the checkpoints signed over it."""
