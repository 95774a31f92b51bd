"""The Gantt chart to move about in, with its JavaScript."""
