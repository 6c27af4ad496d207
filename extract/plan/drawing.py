"""The steps of a pipeline in words, and as a diagram in Mermaid's language."""

from __future__ import annotations

from ..pipeline import Ask, Asked, Check, Classify, Extract, Pipeline, Review, Set, Sql, Step, Unnest, Where, Write

__all__ = ["does", "mermaid"]


def does(step: Step) -> str:
    if isinstance(step, Extract):
        group = f", one for each {', '.join(step.group)}" if step.group else ""
        return f"{step.ref}, {len(step.schema.full.get('properties', ()))} fields{group}"
    if isinstance(step, Classify):
        return f"{step.into}: {', '.join(step.labels)}"
    if isinstance(step, Ask):
        return step.question
    if isinstance(step, Sql):
        return " ".join((step.shown or step.query).split())
    if isinstance(step, Write):
        return str(step.target)
    if isinstance(step, (Check, Where)):
        return str(step.condition)
    if isinstance(step, Set):
        return ", ".join(f"{name} = {value}" for name, value in step.values)
    if isinstance(step, Unnest):
        return ".".join(step.path)
    if isinstance(step, Review):
        sure = "" if step.confidence is None else f"less sure than {step.confidence}"
        return " or ".join(one for one in ("" if step.condition is None else str(step.condition), sure) if one)
    return str(next(iter(step.plain().values())))


def mermaid(pipeline: Pipeline) -> str:
    """The steps and the rows between them as a diagram in Mermaid's language."""
    lines = ["flowchart TD", '    s0[("documents")]']
    for step in (*pipeline.flowing, *pipeline.writes):
        opening, closing = ("{{", "}}") if step.gathers else ("([", "])") if isinstance(step, Asked) else ("[", "]")
        if isinstance(step, Write):
            opening, closing = "[/", "/]"
        label = _quoted(f"{step.name if step.number in pipeline.by_number else 'write'}: {does(step)}")
        lines.append(f"    s{step.number}{opening}{label}{closing}")
        for one in dict.fromkeys(pipeline.sources(step)):
            arrow = "-->" if step.when is None else f"-->|{_quoted(str(step.when))}|"
            lines.append(f"    s{one} {arrow} s{step.number}")
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """A label of Mermaid: its own signs are spelled out."""
    short = text if len(text) <= 80 else f"{text[:79]}…"
    return '"' + short.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;") + '"'
