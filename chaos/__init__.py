"""The real desk under a seeded clock, in a world of faults: reliability.md §2."""
