"""Who had the CPU when: model from switches, then Gantt chart, table, JSON, SVG, Chrome trace."""
