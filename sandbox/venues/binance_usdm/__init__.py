"""Binance USD-M: public REST and the split streams of perpetuals."""
