"""The family of a run's processes: model from events, then text, JSON, SVG, Chrome trace."""
