"""The patterns that petri can grow."""
