"""The search for an architecture: many short trainings of different automata, on one machine or many."""
