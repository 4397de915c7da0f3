"""References without roles that a list of them may not have.

Sphinx calls their frame a list and gives its entries a role that is none of a list's, so that
programs that read a page aloud find a list without entries.
"""

ROLES = (
    (' role="list" class="citation-list"', ' class="citation-list"'),
    (' role="doc-biblioentry"', ""),
)


def without_roles(app, pagename, templatename, context, doctree):
    """Take the roles out of the page."""
    for old, new in ROLES:
        context["body"] = context.get("body", "").replace(old, new)


def setup(app):
    """Look at each page before it is written."""
    app.connect("html-page-context", without_roles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
