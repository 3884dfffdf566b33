"""Kraken's public dialect: REST of pairs and books, socket v2."""
