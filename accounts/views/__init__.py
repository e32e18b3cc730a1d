"""The app's views, by noun."""
