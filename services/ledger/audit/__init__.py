"""Everything that is stored twice, derived again and compared."""
