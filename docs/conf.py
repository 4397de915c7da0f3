"""Configuration of the documentation."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

# Extensions of our own.
sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "jwst-mosaic-skymatch"
author = "jwst-mosaic-skymatch developers"
project_copyright = author
version = release = installed_version(project)

extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "numpydoc", "measured"]
default_role = "py:obj"
exclude_patterns = ["_build"]

# Attributes stand in the class docstrings already.
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
# Docstrings say more of types than annotations do.
autodoc_typehints = "none"

html_theme = "alabaster"
html_theme_options = {
    "description": "Pixel-by-pixel sky matching for JWST mosaics",
    "page_width": "1080px",
    "fixed_sidebar": True,
}
html_sidebars = {"**": ["about.html", "navigation.html", "searchbox.html"]}
