"""What the totals' codes stand for: projects, and who answers for them."""
