"""The Gantt chart: runs and rows, geometry of bars, drawing them or an image of them, and the chart in words."""
