"""Literature without the ARIA roles of Sphinx.

Sphinx marks the frame of the citations as a list, and its entries as ``doc-biblioentry``, which is
no role of a list's entry. Screen readers would announce an empty list.
"""

ROLES = (
    (' role="list" class="citation-list"', ' class="citation-list"'),
    (' role="doc-biblioentry"', ""),
)


def without_roles(app, pagename, templatename, context, doctree):
    """Remove the roles from the page."""
    for old, new in ROLES:
        context["body"] = context.get("body", "").replace(old, new)


def setup(app):
    """Connect to each page before it is written."""
    app.connect("html-page-context", without_roles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
