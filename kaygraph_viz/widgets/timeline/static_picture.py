"""The picture that stands in for a widget where no kernel runs.

Belongs here: pixels. Does not belong here: what is drawn (``plot``).
"""

from __future__ import annotations

import io
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imsave

from kaygraph_viz.plot.canvas import figure_of

__all__ = ["still_png"]

DPI = 100
WHITE = 255


def still_png(*charts: Axes) -> bytes:
    """Return charts below each other as one PNG, and close their figures."""
    pixels = list[npt.NDArray[np.uint8]]()
    for ax in charts:
        figure: Any = figure_of(ax)
        try:
            figure.set_dpi(DPI)
            canvas: Any = FigureCanvasAgg(figure)
            canvas.draw()
            pixels.append(np.array(canvas.buffer_rgba()))
        finally:
            plt.close(figure)
    width = max(one.shape[1] for one in pixels)
    padded = [np.pad(one, ((0, 0), (0, width - one.shape[1]), (0, 0)), constant_values=WHITE) for one in pixels]
    target = io.BytesIO()
    imsave(target, np.concatenate(padded), format="png", dpi=DPI, metadata={"Software": "kaygraph-viz"})
    return target.getvalue()
