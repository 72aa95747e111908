"""Donors' contacts: what they are, and the keys that they are sealed under."""
