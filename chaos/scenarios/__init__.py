"""The known faults one by one: each forced on a real desk, or on the part that meets it, with and without its guard."""
