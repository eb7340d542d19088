"""What happened: typed events and where they go."""
