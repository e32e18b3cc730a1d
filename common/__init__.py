"""What every app shares and none owns: API plumbing, abstract models, clock, money, cache, outside HTTP. No tables."""
