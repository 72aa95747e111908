"""What the books answer: now, then, and as they grow."""
