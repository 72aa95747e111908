"""Gifts in suspense: which of them finance allocates to a project, and by which rules."""
