"""Short names in docstrings link to their objects: `Tile` to ``tiles.tile.Tile``.

Docstrings are also read in the source, where full names would be long. An unknown or ambiguous
name remains a warning.
"""


def resolve(app, env, node, contnode):
    """Resolve a name as the end of the full name of an object of the package."""
    if node.get("refdomain") != "py" or node.hasattr("refspecific"):
        return None
    node["refspecific"] = True
    return env.get_domain("py").resolve_xref(
        env, node["refdoc"], app.builder, node["reftype"], node["reftarget"], node, contnode
    )


def setup(app):
    """Connect to names that Sphinx cannot resolve."""
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
