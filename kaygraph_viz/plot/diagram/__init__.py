"""The diagram of a graph: statistics of its nodes, layers, boxes and arrows, drawing, and markup for other tools."""
