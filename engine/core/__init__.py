"""State, step(state, event) -> effects: the only code that writes State. Synchronous and deterministic."""
