"""One document at a time: `extract from` reads one, `extract parse` reads an answer that a model has already given."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import (
    document_limits,
    document_limits_options,
    instructions_option,
    json_option,
    model_option,
    offline_option,
    schema_option,
    setting_option,
    settings,
)
from .shown import emit, say

if TYPE_CHECKING:
    from ..call import Call
    from ..catalogue import ModelFacts
    from ..load import PdfUse

__all__ = ["from_", "parse", "print_prompt"]


@click.command("from")
@click.argument("file")
@schema_option
@model_option
@instructions_option
@setting_option
@document_limits_options
@click.option(
    "--on-failure",
    type=click.Choice(["reject", "keep"]),
    default="reject",
    show_default=True,
    help="What becomes of a record that is not valid: an error, or what is valid of it.",
)
@click.option("--best-effort", multiple=True, metavar="FIELD", help="A field whose failure alone never fails a record.")
@offline_option
@click.option(
    "--pdf",
    type=click.Choice(["auto", "text", "file"]),
    default="auto",
    show_default=True,
    help="What of a PDF goes to the model: its text, the file itself, or the text and where needed the file.",
)
@json_option
@click.option("--prompt", is_flag=True, help="Print exactly what would be sent, and send nothing.")
def from_(
    file: str,
    schema: str,
    model: tuple[str, ...],
    instructions: str,
    setting: tuple[str, ...],
    tokens_per_document: int | None,
    budget_per_document: float | None,
    on_failure: Any,
    best_effort: tuple[str, ...],
    offline: bool,
    pdf: PdfUse,
    as_json: bool,
    prompt: bool,
) -> int:
    """Reads one document, FILE or - for standard input, and prints its record.

    The record goes to standard output as JSON; with --json it comes with its problems, evidence, confidence, attempts
    and cost.
    """
    from ..load import open_document
    from ..models.cascade import check_accepted, facts_of
    from ..project import load_schema
    from ..schema import compile
    from ..settings import apart
    from ..task import Task
    from ..waiving import check_best_effort

    compiled = compile(load_schema(schema))
    piped = file == "-"
    document = open_document(sys.stdin.buffer.read() if piped else Path(file), name="-" if piped else "", pdf=pdf)
    names, (asked, headers) = model or ("openai/gpt-4o-mini",), apart(settings(setting))
    check_accepted(asked, facts_of(names))
    check_best_effort(compiled, best_effort)
    limits = document_limits(tokens_per_document, budget_per_document)
    task = Task(compiled, facts_of(names), instructions, settings=asked, limits=limits)
    if prompt:
        print_prompt(task.first_call(document), task.models[0], as_json)
        return 0
    extraction = _driven(task, document, (on_failure, best_effort), headers, offline)
    if as_json:
        emit(_whole(extraction, compiled))
    elif extraction.ok:
        emit(compiled.dump(extraction.value))
    for problem in extraction.problems:
        say(f"error: {problem}")
    for problem in extraction.waived:
        say(f"kept without: {problem}")
    return 0 if extraction.ok else 1


def _driven(task: Any, document: Any, waived: tuple[Any, Any], headers: Any, offline: bool) -> Any:
    """What comes of a task for one document; `waived` is what may fail (`on_failure` and `best_effort`)."""
    from .. import door
    from ..endpoints import Reach
    from ..engines.local import Local
    from ..ledger import Memory
    from ..limits import Limits, Traffic
    from ..models.cascade import open_cascade
    from ..waiving import waive

    names = [one.name for one in task.models]
    cascade = open_cascade(names, settings=task.settings, reach=Reach(offline), headers=headers)
    for warning in cascade.warnings:
        say(f"warning: {warning}")

    async def read() -> Any:
        engine = Local(cascade.models, Memory(), Traffic(Limits()))
        return await engine.drive(task, document, lambda extraction: waive(extraction, task, *waived))

    return door.run(read, "await")


def print_prompt(call: Call, facts: ModelFacts, as_json: bool) -> None:
    """Prints what would be sent for a call: the messages and the response format, or the request's body as JSON."""
    from ..models.wire import Wire, body
    from ..prompt import render

    if facts.provider == "rules":
        raise click.UsageError("The model rules reads the document itself: nothing is sent. Name another with --model.")
    if as_json:
        click.echo(body(call, Wire(facts, facts.name.partition("/")[2])))
        return
    for message in render(call, "strict"):
        click.echo(f"[{message.role}]")
        for part in message.parts:
            click.echo(part.text if part.kind == "text" else f"<{part.kind} {part.name} {part.media_type}>")
        click.echo()
    click.echo("[response format: strict JSON schema]")
    emit(call.shape.wire)


def _whole(extraction: Any, schema: Any) -> dict[str, Any]:
    usage = extraction.usage
    return {
        "value": schema.dump(extraction.value) if extraction.ok else None,
        "partial": None if extraction.ok else extraction.partial,
        "problems": [{"pointer": p.pointer, "kind": p.kind, "message": p.message} for p in extraction.problems],
        "waived": [{"pointer": p.pointer, "kind": p.kind, "message": p.message} for p in extraction.waived],
        "evidence": {
            pointer: {"start": e.start, "end": e.end, "text": e.text, "page": e.page, "match": e.match}
            for pointer, e in extraction.evidence.items()
        },
        "confidence": dict(extraction.confidence),
        "attempts": [{"model": a.model, "attempt": a.number, "outcome": a.outcome} for a in extraction.attempts],
        "events": [
            {"rule": e.rule, "pointer": e.pointer, "before": e.before, "after": e.after} for e in extraction.events
        ],
        "tokens": {"input": usage.input, "cached": usage.cached, "output": usage.output},
        "cost_usd": extraction.cost,
        "document": extraction.document,
        "source": extraction.source,
    }


@click.command()
@click.argument("file")
@schema_option
@json_option
@click.option(
    "--policy",
    type=click.Choice(["strict", "safe", "lenient"]),
    default="safe",
    show_default=True,
    help="How much may be mended: nothing, what has one reading only, or also what nearly always means one thing.",
)
@click.option(
    "--shape",
    type=click.Choice(["user", "wire"]),
    default="user",
    show_default=True,
    help="What the answer was asked for: the schema's own shape, or the strict wire schema's.",
)
def parse(file: str, schema: str, as_json: bool, policy: Any, shape: Any) -> int:
    """Reads a model's answer, FILE or - for standard input, as a value of a schema; asks nobody.

    The value goes to standard output; what was mended, and what could not be read, to standard error.
    """
    from ..project import load_schema
    from ..schema import compile

    text = sys.stdin.read() if file == "-" else _text(file)
    compiled = compile(load_schema(schema))
    reading = compiled.read(text, policy=policy, shape=shape)
    problems = reading.problems or compiled.check(reading.value).problems
    if as_json:
        events = [{"rule": e.rule, "pointer": e.pointer, "before": e.before, "after": e.after} for e in reading.events]
        told = [str(problem) for problem in problems]
        emit({"value": reading.value, "complete": reading.complete, "events": events, "problems": told})
    elif not problems:
        emit(reading.value)
    for event in () if as_json else reading.events:
        say(f"mended {event.pointer or 'the text'}: {event.rule}")
    for problem in problems:
        say(f"error: {problem}")
    if not reading.complete and not problems:
        say("warning: the answer ends before its value does; this is what was there, and it may not be all")
    return 1 if problems else 0


def _text(file: str) -> str:
    from ..errors import DocumentError

    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise DocumentError(f"The file cannot be read: {reason}.", where=file) from None
