"""The grammar of RFC 3862 (section 3.6) as regular expressions.

Quantifiers are possessive, so that no input is looked at twice. They see text that holds no control characters.
"""

import re

_NAME = r"[!#$%&'*+\-^_`|~A-Za-z0-9]"
_TOKEN = r"[!#$%&'*+\-^_`|~A-Za-z0-9.\x80-\U0010ffff]"  # noqa: S105  # the RFC's word for a word
_STRING = r'"((?:[^"\\]++|\\.)*+)"'
_URI = r"[A-Za-z][A-Za-z0-9+.\-]*+:(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=\[\]]++|%[0-9A-Fa-f]{2})++"

NAME = re.compile(rf"{_NAME}++")
TOKEN = re.compile(rf"{_TOKEN}++")
NAME_OR_DOTS = re.compile(rf"(?:{_NAME}|\.)++")
QUALIFIED = re.compile(rf"({_NAME}++)\.({_NAME}++)")
PARAMETER = re.compile(rf";({_NAME}++)=(?:({_TOKEN}++)|{_STRING})")
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*+")
ABSOLUTE_URI = re.compile(_URI)
"""RFC 2396's absoluteURI: no fragment."""

MAILBOX = re.compile(rf"(?:((?:{_TOKEN}++[ ])++)|{_STRING})?<({_URI})>")
FOREIGN_MAILBOX = re.compile(rf"(?:((?:{_TOKEN}++[ ])++)|{_STRING}[ ]?)?<({_URI})>(?:;[^<>]*+)?")
WORDS = re.compile(rf"{_TOKEN}++(?:[ ]{_TOKEN}++)*+")
NAMESPACE = re.compile(rf"(?:({_NAME}++)[ ]?)?<({_URI})>")

CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
"""What no line of metadata holds."""

STRAY = re.compile(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n")
"""The same between lines that end in CRLF."""

FOREIGN_STRAY = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
"""The same where bare LF ends lines too. Tabs are seen to line by line: they may stand at an end."""

BLANK = re.compile(rb"\r\n\r\n")
FOREIGN_BLANK = re.compile(rb"\r?\n\r?\n")
