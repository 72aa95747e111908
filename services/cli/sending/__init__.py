"""Sending a file of gifts: docs/send.md has its form."""
