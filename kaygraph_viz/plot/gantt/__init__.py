"""The Gantt chart."""
