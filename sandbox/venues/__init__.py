"""Local venues: one server per dialect, one matching engine behind them all."""
