"""What gifts can be given to: charities, projects, campaigns."""
