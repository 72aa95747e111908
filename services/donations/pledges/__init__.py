"""Per-order giving: merchants' pledges, and what orders come to. Plain Python."""
