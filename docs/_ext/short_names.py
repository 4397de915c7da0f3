"""Short names in docstrings lead to what they name: `Tile` to ``tiles.tile.Tile``.

A docstring is read in the source as well, where the way through all folders would be in the way.
A name that is not known, or that two things have, stays a warning.
"""


def resolve(app, env, node, contnode):
    """Find the object of the package whose full name ends like this."""
    if node.get("refdomain") != "py" or node.hasattr("refspecific"):
        return None
    node["refspecific"] = True
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, contnode
    )


def setup(app):
    """Look for names that Sphinx has not found."""
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
