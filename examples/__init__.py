"""Programs that show Rask at work."""
