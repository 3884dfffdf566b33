"""What drives the markets: a seeded endless one, or recordings."""
