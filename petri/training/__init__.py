"""How a rule is learned."""
