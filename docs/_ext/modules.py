"""Sections of the API from the modules of a package.

``.. modules:: NAME`` documents all public modules of the package NAME, except for modules of its
sub-packages. No list of modules has to be maintained.
"""

from importlib import import_module
from pkgutil import iter_modules

from sphinx.util.docutils import SphinxDirective


class Modules(SphinxDirective):
    """Documentation of the modules of a package."""

    required_arguments = 1

    def run(self):
        """Return one ``automodule`` for each module, in alphabetical order."""
        package = self.arguments[0]
        lines = [
            f".. automodule:: {package}.{module.name}"
            for module in iter_modules(import_module(package).__path__)
            if not (module.ispkg or module.name.startswith("_"))
        ]
        return self.parse_text_to_nodes("\n".join(lines))


def setup(app):
    """Add the directive to Sphinx."""
    app.add_directive("modules", Modules)
    return {"version": "1", "parallel_read_safe": True}
