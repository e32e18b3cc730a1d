"""The car registry, the sync engine that fills it, and the vehicles people own."""
