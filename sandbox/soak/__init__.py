"""A soak: the real engine in a storm of faults and kills, then proof that no order and no won was lost."""
