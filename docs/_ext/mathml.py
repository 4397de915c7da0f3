"""Equations as MathML, which browsers render and read aloud without a script or a font."""

from html import escape

from docutils import nodes
from docutils.utils.math import MathError, pick_math_environment
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

log = logging.getLogger(__name__)


def to_mathml(text, node, *, as_block):
    """Translate an equation; if it cannot be, warn and return its source."""
    try:
        return tex2mathml(text, as_block=as_block)
    except MathError as error:
        log.warning("%s in %s", error, text, location=node)
        return f"<code>{escape(text)}</code>"


def visit_inline(translator, node):
    """Write an equation of a sentence."""
    translator.body.append(to_mathml(node.astext(), node, as_block=False))
    raise nodes.SkipNode


def visit_block(translator, node):
    """Write a displayed equation, with its number if it has one."""
    text = node.astext()
    environment = pick_math_environment(text)
    if "align" in environment:
        text = rf"\begin{{{environment}}}{text}\end{{{environment}}}"
    # On a narrow screen a long equation scrolls, which needs the focus of the keyboard.
    translator.body.append(translator.starttag(node, "div", CLASS="math-block", tabindex="0"))
    if node.get("number"):
        number = get_node_equation_number(translator, node)
        translator.body.append(f'<span class="eqno">({number})</span>')
    translator.body.append(to_mathml(text, node, as_block=True) + "</div>")
    raise nodes.SkipNode


def setup(app):
    """Add the renderer to Sphinx."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
