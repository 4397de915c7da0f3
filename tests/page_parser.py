"""Reads pages strictly."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "br", "img", "image", "use"}


class Page(HTMLParser):
    """Check that elements are closed in order, and collect what matters of them."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.scripts, self.rows = [], [], [], 0, 0
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        if tag not in VOID:
            self.open.append(tag)
        self._note(tag, dict(attributes))

    def handle_startendtag(self, tag, attributes):
        self._note(tag, dict(attributes))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def _note(self, tag, attributes):
        self.scripts += tag == "script"
        self.rows += tag == "tr"
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[k] for k in ("href", "src", "xlink:href") if k in attributes]
