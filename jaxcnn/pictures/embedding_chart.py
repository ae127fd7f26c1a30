"""The chart of an embedding, by Bokeh."""

import numpy as np
from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, HoverTool

from jaxcnn.pictures.embedding import Embedding
from jaxcnn.reporting.charts import INK, Chart, color, new_figure

_MARKERS = ("circle", "square", "triangle", "diamond", "inverted_triangle", "plus", "x", "star")
"""In turns, so that no two classes near each other differ by colour alone."""
_LEGEND = 24
"""Most classes that are named beside the chart; hovering names all."""


def embedding_chart(name: str, split: str, found: Embedding) -> Chart:
    """Returns a chart with a mark for each image, of the colour and form of its class.

    Args:
        name: of the net.
        split: of the images.
        found: their places.
    """
    labels = [f"principal component {axis}, {share:.1%} of the variance" for axis, share in enumerate(found.share, 1)]
    plot = new_figure(labels[0], height=560, max_width=860, match_aspect=True)
    plot.yaxis.axis_label = labels[1]
    drawn = []
    for number in np.unique(found.label).tolist():
        own = found.points[found.label == number].astype(np.float32)
        known = found.class_names[number]
        source = ColumnDataSource({"x": own[:, 0], "y": own[:, 1], "class": [known] * len(own)})
        look = {"size": 6, "fill_color": color(number), "fill_alpha": 0.7, "line_color": color(number)}
        named = {"legend_label": known} if len(found.class_names) <= _LEGEND else {}
        marker = _MARKERS[number % len(_MARKERS)]
        drawn.append(plot.scatter("x", "y", source=source, marker=marker, **look, **named))
    plot.add_tools(HoverTool(renderers=drawn, tooltips=[("class", "@class")]))
    if plot.legend:
        plot.add_layout(plot.legend[0], "right")
        plot.legend.click_policy = "hide"
        plot.legend.background_fill_alpha = plot.legend.border_line_alpha = 0
        plot.legend.label_text_color = INK
    about = f"{found.layer} of {len(found.points):,} images of {split}; a class is hidden by a click on its name"
    return Chart(title=f"{name}: {found.layer}", about=about, item=json_item(plot))
