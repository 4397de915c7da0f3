"""Configuration of the documentation."""

import os
import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "jwst-mosaic-skymatch"
author = "jwst-mosaic-skymatch developers"
project_copyright = author
version = release = installed_version(project)

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "sphinx_design",
    "matplotlib.sphinxext.plot_directive",
    # Extensions of docs/_ext.
    "mathml",
    "short_names",
    "citations",
    "measured",
    "modules",
]
default_role = "py:obj"
exclude_patterns = ["_build"]

# Docstrings of classes list the attributes already.
numpydoc_show_class_members = False
autodoc_default_options = {"members": True, "exclude-members": "Bounds, Shape, Window"}
autodoc_member_order = "bysource"
# Types in docstrings have shapes and units, which annotations have not.
autodoc_typehints = "none"

# Every reference needs a target. References to other packages have one on Read the Docs; elsewhere
# the documentation is built without a network, and they remain plain names.
nitpicky = True
if os.environ.get("READTHEDOCS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "numpy": ("https://numpy.org/doc/stable", None),
        "astropy": ("https://docs.astropy.org/en/stable", None),
        "matplotlib": ("https://matplotlib.org/stable", None),
    }
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(argparse|astropy|collections|concurrent|contextlib|distributed|drizzle|numpy|matplotlib|pathlib|scipy)(\..*)?",
    ),
    # The inventories of these packages lack names that are inherited or returned here.
    (r"py:.*", r"(asdf|gwcs|jwst|regions|stdatamodels|stpipe)\..*"),
]

plot_formats = [("png", 160)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = project
html_favicon = "_static/icon.svg"
html_context = {"default_mode": "auto"}
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    # Colours of code with enough contrast.
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
