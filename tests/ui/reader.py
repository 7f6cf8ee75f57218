"""HTML as a browser takes it apart: tags, attributes, text."""

from html.parser import HTMLParser

ALLOWED = {
    "section", "h1", "h2", "h3", "div", "span", "i", "b", "p", "pre", "ul", "li", "small", "a", "table", "thead",
    "tbody", "tr", "th", "td", "button", "img", "dl", "dt", "dd", "details", "summary", "code",
}  # fmt: skip


class Reader(HTMLParser):
    def __init__(self, html: str):
        super().__init__()
        self.tags, self.text, self.attributes = set(), "", []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_data(self, data):
        self.text += data
