"""Colours of every picture: a dark desk, green up, red down."""

BACKGROUND = "#0e1319"
GRID = "#1d2630"
INK = "#e6edf3"
FAINT = "#8b98a5"
LINE = "#4c9aff"
NEW = "#ffb020"
UP = "#20c997"
DOWN = "#ff5c5c"


def of(value: float) -> str:
    return UP if value >= 0 else DOWN
