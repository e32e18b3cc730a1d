"""Schema fuzzing: a real server is called with all that the published schema allows and much that it does not."""
