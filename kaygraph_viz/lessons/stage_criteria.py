"""Old names of ``goals``, until the last notebook uses the new ones."""

from kaygraph_viz.lessons.goals import *  # noqa: F403
