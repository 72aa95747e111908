"""Lists that finance takes away: on the screen, as JSON, as CSV, and for a spreadsheet."""
