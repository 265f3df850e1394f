"""Damaged networks and what restores their weights: classical estimates, and an automaton beside them."""
