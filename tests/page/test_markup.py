"""What the files themselves promise, before any browser reads them."""

import re

from tests.page.conftest import STATIC


def test_the_markup_keeps_to_the_policy() -> None:
    """No inline script, style or handler, and nothing from another host."""
    markup = (STATIC / "index.html").read_text()
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=)|https?://", markup) == []
    modules = list((STATIC / "js").rglob("*.js"))
    assert len(modules) > 20
    for module in modules:
        source = module.read_text()
        assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|eval\(", source), module
        # The choice of devices is all that outlives the page.
        kept = r"sessionStorage|document\.cookie"
        if module.name != "devices.js":
            kept += "|localStorage"
        assert not re.search(kept, source), module


def test_every_text_stands_among_the_words() -> None:
    """But the way past the bar and what is read without JavaScript, which are markup.

    A text begins with a capital and has a second word. What an event's or a session's `type` is
    beside is said to the model, and not to who uses the page.
    """
    comment, sentence = re.compile(r"/\*.*?\*/", re.DOTALL), re.compile(r'["`][A-Z][a-z]* [A-Za-z]')
    found = [
        f"{module.name}: {line.strip()}"
        for module in (STATIC / "js").rglob("*.js")
        if module.name != "words.js"
        for line in comment.sub("", module.read_text()).splitlines()
        if sentence.search(line) and 'type: "' not in line
    ]
    assert found == []


def test_every_module_of_the_first_load_is_asked_for_at_once() -> None:
    """No module is found only by reading another; none is asked for that nobody imports."""
    asked = re.findall(r'rel="modulepreload" href="([^"]+)"', (STATIC / "index.html").read_text())
    main = STATIC / "js/main.js"
    wanted, unread = {main}, [main]
    while unread:
        module = unread.pop()
        for path in re.findall(r'^import [^"]*"(\.[^"]+)";', module.read_text(), re.MULTILINE):
            found = (module.parent / path).resolve()
            if found not in wanted:
                wanted.add(found)
                unread.append(found)
    assert sorted(asked) == sorted(str(each.relative_to(STATIC)) for each in wanted - {main})
