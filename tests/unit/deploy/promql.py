"""As much reading of PromQL as it takes to name the metrics and labels of an expression.

No parser: strings, then selectors, then groupings are taken out, and what is left are metric names,
functions (a bracket follows) and words of the language. promtool, where it is installed, checks the
grammar itself.
"""

import re
from dataclasses import dataclass

_WORDS = {
    *("and", "or", "unless", "offset", "bool", "inf", "nan", "start", "end"),
    # A grouping's own word; its list is taken out before.
    *("by", "without", "on", "ignoring", "group_left", "group_right"),
}
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Reading:
    """What an expression speaks of."""

    metrics: frozenset[str]
    labels: frozenset[str]


def read(expression: str) -> Reading:
    """The metrics and labels that expression names. `label_replace` and the like are not read."""
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    text = re.sub(r"\[[^\]]*\]", " ", text)
    labels = {
        match[1]
        for selector in re.findall(r"\{([^}]*)\}", text)
        for match in re.finditer(rf"({_NAME})\s*(?:=~|!~|!=|=)", selector)
    }
    text = re.sub(r"\{[^}]*\}", " ", text)
    for group in _GROUPING.findall(text):
        labels |= {label.strip() for label in group.split(",") if label.strip()}
    text = _GROUPING.sub(" ", text)
    # A duration after offset is no name: its letters follow digits, which \b keeps together.
    names = {
        match[0]
        for match in re.finditer(rf"(?<![\w:])(?!\d){_NAME}(?!\s*\()(?![\w:])", text)
        if match[0].lower() not in _WORDS
    }
    return Reading(frozenset(names), frozenset(labels))
