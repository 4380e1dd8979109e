"""Dynmon: ask a new question of live traffic, without restarting anything."""

__version__ = "0.1.0"
