"""Gifts and refunds: their rules, and what they add up to. Plain Python and numpy."""
