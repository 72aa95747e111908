"""What finance looks after: claims, and notices that could not be read."""
