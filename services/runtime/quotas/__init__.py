"""What each partner may send, and what happens when it sends more."""
