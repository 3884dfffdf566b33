"""Telegram's HTML: what becomes of it, and the words of each refusal."""

import json

import pytest

from sandbox.telegram.entities import formatted, utf16_length
from sandbox.telegram.failures import ApiError

CASES = [  # source, text, entities as (type, offset, length, argument)
    ("<b>a</b> <strong>b</strong>", "a b", [("bold", 0, 1, ""), ("bold", 2, 1, "")]),
    ("<i>a</i><em>b</em>", "ab", [("italic", 0, 1, ""), ("italic", 1, 1, "")]),
    ("<u>a</u><ins>b</ins>", "ab", [("underline", 0, 1, ""), ("underline", 1, 1, "")]),
    ("<s>a</s><strike>b</strike><del>c</del>", "abc", [("strikethrough", at, 1, "") for at in range(3)]),
    ("<tg-spoiler>a</tg-spoiler>", "a", [("spoiler", 0, 1, "")]),
    ("<span class='tg-spoiler'>b</span>", "b", [("spoiler", 0, 1, "")]),
    ("<code>x &lt; y</code>", "x < y", [("code", 0, 5, "")]),
    ("<pre>a\n b</pre>", "a\n b", [("pre", 0, 4, "")]),
    ('<pre><code class="language-python">f()</code></pre>', "f()", [("pre", 0, 3, "python")]),
    ('<a href="https://a.example/?x=1&amp;y=2">go</a>', "go", [("text_link", 0, 2, "https://a.example/?x=1&y=2")]),
    ('<a href="a.example">go</a>', "go", [("text_link", 0, 2, "http://a.example/")]),
    ('<a href="javascript:alert(1)">go</a>', "go", []),
    ('<a href="tg://user?id=11">go</a>', "go", [("text_mention", 0, 2, "11")]),
    ("<blockquote>q</blockquote>", "q", [("blockquote", 0, 1, "")]),
    ("<blockquote expandable>q</blockquote>", "q", [("expandable_blockquote", 0, 1, "")]),
    ("<b>a<i>b</i></b>", "ab", [("bold", 0, 2, ""), ("italic", 1, 1, "")]),
    ("<code><b>a</b></code>", "a", [("code", 0, 1, "")]),
    ("<b></b>x", "x", []),
    ("🚀<b>김프</b> ₩1만", "🚀김프 ₩1만", [("bold", 2, 2, "")]),
    ("&#128640;&#x41;&nbsp;&unknown;&", "🚀A&nbsp;&unknown;&", []),
    ("  <b> a </b>  ", " a", [("bold", 0, 2, "")]),
    ("<B>a</b >", "a", [("bold", 0, 1, "")]),
    ("go /kill@premia_bot #fx $BTC", "go /kill@premia_bot #fx $BTC",
     [("bot_command", 3, 16, ""), ("hashtag", 20, 3, ""), ("cashtag", 24, 4, "")]),
    ("see https://a.example/b. now", "see https://a.example/b. now", [("url", 4, 19, "")]),
    ("<code>/kill</code>", "/kill", [("code", 0, 5, "")]),
]  # fmt: skip


@pytest.mark.parametrize("source, text, entities", CASES, ids=[case[0] for case in CASES])
def test_html_becomes_entities(source, text, entities):
    done = formatted(source, "HTML", "")
    assert done.text == text
    found = [
        (e.type, e.offset, e.length, e.url or e.language or (str(e.user.id) if e.user else "")) for e in done.entities
    ]
    assert found == entities


BROKEN = [
    ("<b>a", 'Can\'t find end tag corresponding to start tag "b"'),
    ("<table>a</table>", 'Unsupported start tag "table" at byte offset 0'),
    ("김 <x>", 'Unsupported start tag "x" at byte offset 4'),
    ("a < b", "Unsupported start tag \"\" at byte offset 2"),
    ("<b>a</i>", 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'),
    ("a</b>", "Unexpected end tag at byte offset 1"),
    ("<b", "Unclosed start tag at byte offset 0"),
    ("<b>a</b", "Unclosed end tag at byte offset 4"),
    ('<a href="x>go</a>', "Unclosed start tag at byte offset 0"),
    ("<span>a</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
]  # fmt: skip


@pytest.mark.parametrize("source, reason", BROKEN, ids=[case[0] for case in BROKEN])
def test_broken_html_is_refused_in_telegrams_words(source, reason):
    with pytest.raises(ApiError) as refused:
        formatted(source, "HTML", "")
    assert refused.value.description == f"Bad Request: can't parse entities: {reason}"


def test_given_entities_are_kept_inside_the_text():
    spans = [("bold", 0, 2), ("bold", 9, 2), ("url", 0, 1)]
    given = json.dumps([{"type": kind, "offset": offset, "length": length} for kind, offset, length in spans])
    assert [(e.type, e.offset, e.length) for e in formatted("abc", "", given).entities] == spans[:1]


def test_other_parse_modes_are_refused():
    with pytest.raises(ApiError, match="unsupported parse_mode"):
        formatted("*a*", "MarkdownV2", "")


def test_a_rocket_is_two_units():
    assert utf16_length("🚀a") == 3
