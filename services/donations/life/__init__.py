"""The life of a gift: what its reports say, what should be booked of it, and which gift it is."""
