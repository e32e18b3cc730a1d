"""How times and numbers are written where a page does not say so itself."""
