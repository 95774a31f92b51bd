"""The settings of the site: ``make docs`` builds it into ``out/docs``.

Nothing is fetched from another computer, neither when the site is built nor when a page of it is read.
"""

import sys
from pathlib import Path

import matplotlib as mpl

import kaygraph_viz

sys.path.insert(0, str(Path(__file__).parent))
mpl.use("agg")

project = "kaygraph-viz"
author = project_copyright = "the kaygraph-viz maintainers"
version = release = kaygraph_viz.__version__

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_design",
    "build_steps.benchmark_table",
    "build_steps.formulas",
    "build_steps.lessons",
    "build_steps.pictures",
    "build_steps.run_directive",
]
exclude_patterns = ["build_steps"]
templates_path = ["_templates"]

# Pages and lessons
nb_execution_mode = "off"  # the outputs that the notebooks have stored are shown
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # panels are shown as the pictures that stand for them
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# The reference
default_role = "py:obj"
autosummary_generate = True
autodoc_member_order = "bysource"
autosummary_filename_map = {  # where two names differ in the case of letters only, which some disks do not tell apart
    f"kaygraph_viz.{name}": f"kaygraph_viz.{name}-class"
    for name in kaygraph_viz.__all__
    if name.lower() in set(kaygraph_viz.__all__) - {name}
}
numpydoc_show_class_members = False
python_maximum_signature_line_length = 80
toc_object_entries_show_parents = "hide"

# How it looks
html_theme = "pydata_sphinx_theme"
html_title = "kaygraph-viz"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_sidebars: dict[str, list[str]] = {"gallery": []}  # it has no pages below it
html_show_sourcelink = False
html_copy_source = False
html_context = {"default_mode": "light"}  # the pictures are made for a light page
html_theme_options = {
    "navbar_end": ["navbar-icon-links"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
    "navigation_with_keys": False,
}
