"""The extraction of one schema from one document, as a generator of rounds of calls.

A task decides what to ask next and what an answer is worth; it never waits, sends, retries or opens anything. Whoever
drives it sends each round and hands the replies back in order, failures among them:

    steps = task.steps(document)
    calls = next(steps)
    while True:
        calls = steps.send(replies)      # StopIteration.value is the Extraction

All that a task decides by is in it (schema, models with their prices, checks, limits), so that the same replies lead to
the same calls on every start: a run is resumed by asking again and being answered from the ledger. A document that has
reached one of its limits is asked no more, and keeps what it has.

Each kind of failure has its own policy. What is invalid is asked for again, and only that: as changes of the places
that failed, shown an excerpt or the whole document, or as the whole record where that is cheaper; nothing else is taken
from the answer. A truncated answer gets more room, and where there is no more, what is finished is kept and the rest is
asked for. A refusal, a content filter and a request that never got through end the model's turn at once. What one model
cannot settle, or is not sure of, goes to the next, field by field.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Generic, TypeVar, cast

from .call import Asked, Call, Example, Failed, Part, Reply, Target
from .catalogue import ModelFacts
from .confidence import Said, of_changes, of_record
from .document import Document
from .document_limits import DocumentLimits
from .errors import ExtractError, NestedCall, SchemaError
from .events import Event
from .evidence import Located, locate
from .excerpt import Excerpt, excerpt
from .extraction import Extraction, Problem
from .frozen import but, later_of
from .jsontext import dump
from .nodes import Record
from .parse import Reading
from .pointer import ABSENT, get, inside, join, within
from .prompt import shape_of
from .repair import Way, answered, changes, mend, named_in, pays, price, said, still_wrong
from .rest import Gap, asked, begin, go_on
from .schema import Checked, Schema
from .state import State, reassured, touched

__all__ = ["Check", "Rounds", "Task"]

T = TypeVar("T")

Rounds = Generator[tuple[Call, ...], tuple[Reply, ...], Extraction[T]]


@dataclass(frozen=True)
class Check:
    """A condition on the record: its text as written, the places that it names, and the predicate on the row.

    What a check names is what may be asked for again when it fails.
    """

    text: str
    pointers: tuple[str, ...]
    holds: Callable[[Mapping[str, Any]], bool] = field(compare=False)


@dataclass(frozen=True)
class Task(Generic[T]):
    """What to extract and by which rules; frozen, so that nothing in it changes between two starts of a run.

    `models` is the cascade. `attempts` is the greatest number of calls to each of its models for one document, `limits`
    what all of them may take together. What a model is less sure of than `sure` (0 to 1), by its own account or, where
    its answers come with log-probabilities, by its tokens, is asked of the next model. `values` are named inputs beside
    the document; `context` reaches pydantic's validators. Raises `ModelError` for a budget where a model has no price.
    """

    schema: Schema[T]
    models: tuple[ModelFacts, ...]
    instructions: str = ""
    examples: tuple[Example, ...] = ()
    values: tuple[Part, ...] = ()
    checks: tuple[Check, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    attempts: int = 3
    limits: DocumentLimits = field(default_factory=DocumentLimits)
    sure: float = 0.5
    context: Any = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if type(self.attempts) is not int:
            raise ExtractError(f"The attempts are a whole number above 0, not {self.attempts!r}.", fix="Write 3.")
        if self.attempts < 1:
            raise ExtractError(f"A task needs at least one attempt, not {self.attempts}.")
        self.limits.check_priced(self.models)
        try:
            dump(self.settings) if self.settings else None
        except (TypeError, ValueError) as error:
            raise ExtractError(f"A setting is no JSON value: {error}.", fix="Give numbers, texts, lists.") from None

    def steps(self, document: Document) -> Rounds[T]:
        """The rounds of calls for one document; returns its `Extraction`, always."""
        state: State[T] = _BEGUN
        if document.empty:
            return self._extraction(document, state.halt(Problem("", "The document is empty.", "document")))
        for facts in self.models:
            if (reached := self.limits.reached(state.attempts)) is not None:
                state = state.halt(reached)
                break
            state = yield from self._ask(facts, document, self._handed_on(state))
            if state.settled or state.limited:
                break
        return self._extraction(document, state)

    def beside(self, values: tuple[Part, ...]) -> Task[T]:
        """The same task for a document with these named inputs beside it. Each row has its own, and what is looked at
        when a task is made stays as it was."""
        return but(self, values=values)

    def facts_of(self, call: Call) -> ModelFacts:
        """What is known of the model that a call of this task is for."""
        first = self.models[0]
        return first if first.name == call.model else next(one for one in self.models if one.name == call.model)

    def first_call(self, document: Document) -> Call:
        """What would be asked first."""
        return self._whole(self.models[0], document, _BEGUN, None, self.settings)

    def _handed_on(self, state: State[T]) -> State[T]:
        """The state as the next model begins with it: what the last one doubted is to be asked for."""
        if not (state.doubted or state.halted or state.unread):
            return state
        doubted = map(self.schema.patch.whole, state.doubted) if state.doubted else ()
        unsure = tuple(dict.fromkeys((*state.unsure, *doubted)))
        return but(state, halted=None, unread=None, unsure=unsure, doubted=())

    def _ask(self, facts: ModelFacts, document: Document, state: State[T]) -> _Turn[T]:
        """One model's turn: calls until the record is settled or asking this model again cannot help."""
        answer, settings = None, self.settings
        if state.cut is not None:  # another model had not enough room with these
            settings = _more_room(state.cut, facts) or state.cut
        fruitless: frozenset[Way] = frozenset()
        for left in reversed(range(self.attempts)):
            if (reached := self.limits.reached(state.attempts)) is not None:
                return state.halt(reached)
            way, call = self._next(facts, document, state, answer, settings, fruitless)
            (reply,) = yield (call,)
            state = state.noted(call, reply, facts)
            if (halt := _halt(reply, facts)) is not None:
                return state.halt(halt)
            before, state = state, self._worth(document, state, call, reply)
            if reply.finish == "length":
                roomier, state = _more_room(settings, facts), but(state, cut=settings)
                fruitless |= {way}
                goes_on = roomier or (facts.asks_again and state.goes_on(before))
                others = self._ways(facts, document, state, None, settings).keys() - fruitless
                if not left or not (goes_on or (others and not state.open and before.value is not ABSENT)):
                    return state.halt(_truncated(settings, facts))
                answer, settings = None, roomier or settings
                fruitless = frozenset() if goes_on else fruitless
                continue
            if state.whole or not facts.asks_again:
                break
            repeats = call.ask == "whole" and reply.text == answer and state.unread is None
            answer = reply.text if call.ask == "whole" else answer
            fruitless = frozenset() if state.better(before) else fruitless | {way} - {"whole"}
            if repeats:
                break
        return state.halt(_unfinished(state.open)) if state.open else state

    # ---- what is asked

    def _next(
        self,
        facts: ModelFacts,
        document: Document,
        state: State[T],
        answer: str | None,
        settings: Mapping[str, Any],
        fruitless: frozenset[Way],
    ) -> tuple[Way, Call]:
        """The cheapest way of asking for what is wanted, of those that were not tried for it in vain."""
        if state.open and facts.asks_again:
            failed = asked(state.value, state.open)
            return "whole", self._changes(facts, document.parts(), state, failed, settings, "rest")
        if state.value is ABSENT:  # there is only one
            return "whole", self._whole(facts, document, state, answer, settings)
        ways = self._ways(facts, document, state, answer, settings)
        left = {way: call for way, call in ways.items() if way not in fruitless} or ways
        if len(left) == 1:
            return next(iter(left.items()))
        changed = said(one.value for one in ways["document"].failed)
        record = max(said([[state.value]]), changed)

        def cost(item: tuple[Way, Call]) -> Decimal:
            whole = item[0] == "whole"
            return price(item[1], facts, record if whole else changed, again=whole and answer is not None)

        return min(left.items(), key=cost)

    def _ways(
        self, facts: ModelFacts, document: Document, state: State[T], answer: str | None, settings: Mapping[str, Any]
    ) -> dict[Way, Call]:
        """The ways of asking for what is wanted: single changes where each place has a path, and the whole."""
        ways: dict[Way, Call] = {}
        known = state.value is not ABSENT and not state.open and bool(state.failing)
        if known and facts.asks_again and self.schema.patch.covers(state.failing):
            failed = self._failed(state)
            shown = self._excerpt(document, state, failed)
            if shown is not None:
                part = Part("text", "excerpt of the document", text=shown.text)
                ways["excerpt"] = self._changes(facts, (part,), state, failed, settings, "changes")
            ways["document"] = self._changes(facts, document.parts(), state, failed, settings, "changes")
        ways["whole"] = self._whole(facts, document, state, answer, settings)
        return ways

    def _failed(self, state: State[T]) -> tuple[Failed, ...]:
        """What changes are asked for: each place that is wanted, with its value, the complaint, and its paths."""
        wrong: dict[str, Failed] = {}
        for problem in state.problems:
            targets, value = self.schema.patch.targets(problem.pointer), problem.value
            if named := self._named(state, problem):
                targets = named
                value = {target.path: held for target in named if (held := get(state.value, target.path)) is not ABSENT}
            wrong[problem.pointer] = Failed(problem.pointer, value, problem.message, targets)
        for place in state.unsure:
            value = get(state.value, place)
            shown = None if value is ABSENT else value
            wrong.setdefault(place, Failed(place, shown, "this is not settled yet", self.schema.patch.targets(place)))
        return tuple(wrong.values())

    def _named(self, state: State[T], problem: Problem) -> tuple[Target, ...]:
        """Of a record that fails as a whole, the fields that the complaint names, if it names some: they are asked for
        first, and all of them where that did not help."""
        if not isinstance(problem.value, dict) or (problem.pointer, problem.message) in state.stuck:
            return ()
        return named_in(problem.message, self.schema.patch.targets(problem.pointer))

    def _wanted(self, state: State[T]) -> tuple[str, ...]:
        """The places that the next answer may change: those that it is asked for."""
        places: dict[str, None] = {}
        for problem in state.problems:
            places |= dict.fromkeys([one.path for one in self._named(state, problem)] or [problem.pointer])
        return (*places, *(one for one in state.unsure if one not in places))

    def _excerpt(self, document: Document, state: State[T], failed: tuple[Failed, ...]) -> Excerpt | None:
        """The lines that matter for what failed; for a whole record, for the fields of it that are asked for."""
        if document.attachments:
            return None
        words: dict[str, str] = {}
        for one in failed:
            about = " ".join(target.about for target in one.targets)
            fields = {target.path: target.about for target in one.targets if not target.at and "*" not in target.path}
            words |= fields if isinstance(one.value, dict) and fields else {one.pointer: about}
        if "" in words:
            return None
        return excerpt(document, locate(state.value, self.schema.type, document), words)

    def _changes(
        self,
        facts: ModelFacts,
        shown: tuple[Part, ...],
        state: State[T],
        failed: tuple[Failed, ...],
        settings: Mapping[str, Any],
        ask: Asked,
    ) -> Call:
        return Call(
            model=facts.name,
            attempt=len(state.attempts) + 1,
            instructions=self.instructions,
            inputs=self.values + shown,
            shape=self.schema.patch.shape,
            settings=settings,
            failed=failed,
            ask=ask,
        )

    def _whole(
        self, facts: ModelFacts, document: Document, state: State[T], answer: str | None, settings: Mapping[str, Any]
    ) -> Call:
        wrong = state.problems + (() if state.unread is None else (state.unread,))
        failed = () if answer is None else tuple(Failed(p.pointer, p.value, p.message) for p in wrong)
        return Call(
            model=facts.name,
            attempt=len(state.attempts) + 1,
            instructions=self.instructions,
            inputs=self.values + document.parts(),
            shape=self.schema.shape,
            examples=self.examples,
            settings=settings,
            answer=answer,
            failed=failed,
        )

    # ---- what an answer is worth

    def _worth(self, document: Document, state: State[T], call: Call, reply: Reply) -> State[T]:
        """The state with what an answer gives. A validator that must not do what it does ends the task, with what was
        paid for."""
        try:
            return (self._cut if reply.finish == "length" else self._taken_over)(state, call, reply)
        except NestedCall as error:
            if state.value is ABSENT:
                state = but(state, salvage=self._salvage(reply))
            error.extraction = self._extraction(document, state.halt(Problem("", error.message, "configuration")))
            raise

    def _salvage(self, reply: Reply) -> Any:
        """What can be seen of an answer that is no record."""
        return self.schema.read(reply.text or "", shape=shape_of(reply.mode), partial=True).value

    def _taken_over(self, state: State[T], call: Call, reply: Reply) -> State[T]:
        """The state with what an answer that ended by itself gives."""
        if call.ask == "rest":
            return self._continued(state, reply, ended=True)
        return (self._read(state, reply) if call.ask == "whole" else self._changed(state, reply)).after(state)

    def _cut(self, state: State[T], call: Call, reply: Reply) -> State[T]:
        """The state with what is finished of an answer that was cut off: never a record that is whole."""
        if call.ask == "rest":
            return self._continued(state, reply, ended=False)
        if call.ask == "changes":
            return self._changed(state, reply, partial=True)
        if state.value is not ABSENT:
            return state
        state = but(state, salvage=self._salvage(reply))
        return self._begun(state, reply) or state

    def _begun(self, state: State[T], reply: Reply) -> State[T] | None:
        """The state with what is certain of a record that ended early, if it can go on."""
        cut = self.schema.read_cut(reply.text or "", shape_of(reply.mode))
        ended = reply.finish != "length"
        begun = begin(self.schema.patch, cut, state.salvage, ended)
        if begun is None or (ended and not pays(begun.value, len(begun.gaps))):
            return None
        value, left, sure = begun.value, begun.problems, self._sure(reply, begun.value)
        if not begun.gaps:
            closed = Event("read.unclosed", note="the last bracket is missing, and all that there can be is there")
            return self._settled(state, reply, value, left, sure, ("",), (*cut.events, closed))
        return but(
            state,
            value=value,
            open=begun.gaps,
            left=left,
            problems=left,
            confidence=reassured(state.confidence, sure, ("",)),
            doubted=self._doubted(state, reply, sure, ("",)),
            events=state.events + cut.events,
        )

    def _continued(self, state: State[T], reply: Reply, ended: bool) -> State[T]:
        """The state with what an answer adds to a record that was cut off. It is a record once nothing of it is
        missing."""
        answer = self.schema.patch.read(reply.text or "", partial=not ended)
        made = go_on(state.value, state.open, answer, ended and answer.sound)
        sure, told = self._sure(reply, made.value, made.events, changes=True), _changed_places(made.events)
        left = state.left + made.problems
        failed = tuple(Event("failure.reading", note=one.message) for one in answer.problems[:1] if ended)
        state = but(
            state,
            value=made.value,
            open=made.gaps,
            left=left,
            problems=left,
            confidence=reassured(state.confidence, sure, told),
            doubted=self._doubted(state, reply, sure, told),
            events=state.events + made.events + failed,
        )
        return state if state.open else self._settled(but(state, unread=None), reply, state.value, left, sure, told)

    def _changed(self, state: State[T], reply: Reply, partial: bool = False) -> State[T]:
        """The state with the changes of an answer. What the reader refused stays a problem until its place changes."""
        wanted = self._wanted(state)
        made = self.schema.patch.apply(state.value, reply.text or "", wanted, partial)
        if made.problems and made.value is state.value and not made.settled:
            failed = Event("failure.reading", note=made.problems[0].message)
            return but(state, events=(*state.events, *made.events, failed))
        settled = frozenset(made.settled)
        left = tuple(one for one in state.left if not changes(one.pointer, state.value, made.value, settled))
        sure = self._sure(reply, made.value, made.events, changes=True)
        told = (*_changed_places(made.events), *within(sure or (), wanted))
        return self._settled(state, reply, made.value, left, sure, told, made.events, made.spoken)

    def _read(self, state: State[T], reply: Reply) -> State[T]:
        """The state with an answer that is a whole record: of one that is known, only what is wanted is taken."""
        text, shape = reply.text or "", shape_of(reply.mode)
        if state.value is ABSENT and shape == "wire" and (taken := self.schema.take(text)) is not None:
            value, made = taken
            return self._settled(but(state, unread=None), reply, value, (), self._sure(reply, value), ("",), made=made)
        reading = self.schema.read(text, shape=shape)
        unread = _unread(reading)
        if unread is not None:
            if state.value is ABSENT:
                state = but(state, salvage=self._salvage(reply))
                if not reading.complete and (begun := self._begun(state, reply)) is not None:
                    return but(begun, unread=unread) if begun.open else begun
            return but(state, unread=unread, events=state.events + reading.events)
        state, new = but(state, unread=None, events=state.events + reading.events), reading.value
        if state.value is ABSENT or state.open:
            sure = self._sure(reply, new, reading.events)
            begun = but(state, value=ABSENT, open=()) if state.open else state
            return self._settled(begun, reply, new, reading.problems, sure, ("",))
        wanted = self._wanted(state)
        value, events = mend(state.value, new, wanted)
        left, gone = still_wrong(state.left, state.value, new, value, reading.problems, events)
        sure, told = self._sure(reply, value, reading.events), answered(state.value, new, wanted)
        return self._settled(state, reply, value, left, sure, told, events + gone)

    def _settled(
        self,
        state: State[T],
        reply: Reply,
        value: Any,
        left: tuple[Problem, ...],
        sure: Mapping[str, float] | None,
        told: tuple[str, ...],
        events: tuple[Event, ...] = (),
        spoken: tuple[str, ...] = (),
        made: T | None = None,
    ) -> State[T]:
        """The state with another value: what is wrong with it, and how sure the places are that the answer told of (of
        those that it spoke of only, it said what is there); `made` is its instance, if it was made already. A record
        that is valid stays as it was where it would not be valid any more."""
        instance, problems = self._judged(value, left, made)
        if problems and state.valid:
            ignored = (replace(one, rule="repair.ignored") if one.rule == "repair.field" else one for one in events)
            return but(state, events=(*state.events, *ignored))
        confidence = reassured(state.confidence, sure, told)
        return but(
            state,
            value=value,
            left=left,
            instance=instance,
            problems=problems,
            unsure=self._unsure(value, reply, confidence, told + spoken, state.unsure),
            confidence=confidence,
            doubted=self._doubted(state, reply, sure, told),
            events=state.events + events,
        )

    def _judged(
        self, value: Any, found: tuple[Problem, ...], made: T | None = None
    ) -> tuple[T | None, tuple[Problem, ...]]:
        """The instance and what is wrong: what the reader found, then the validation, then the checks on sound
        fields.
        """
        try:
            checked = Checked(made) if made is not None else self.schema.check(value, self.context)
            row = value if checked.problems or not self.checks else self.schema.dump_made(cast(T, checked.value))
        except (KeyboardInterrupt, NestedCall):
            raise
        except SchemaError as wrong:  # a value that JSON has not, such as a number beyond all floats
            place = wrong.where if wrong.where is not None and wrong.where.startswith("/") else ""
            held = get(value, place)
            return None, (*found, Problem(place, wrong.message, value=None if held is ABSENT else held))
        except BaseException as error:  # noqa: BLE001  a validator may raise anything; it is this document's problem
            said = f": {error}" if str(error) else ""
            return None, (*found, Problem("", f"a validator raised {type(error).__name__}{said}"))
        places = {problem.pointer for problem in found}
        problems = found + tuple(p for p in checked.problems if p.pointer not in places)
        for check in self.checks:
            touched = any(inside(a, b.pointer) or inside(b.pointer, a) for a in check.pointers for b in problems)
            if not touched and isinstance(row, Mapping) and not check.holds(row):
                problems += tuple(_broken(check, row, pointer) for pointer in check.pointers or ("",))
        return checked.value if not problems else None, problems

    def _sure(
        self, reply: Reply, record: Any, events: tuple[Event, ...] = (), changes: bool = False
    ) -> Mapping[str, float] | None:
        """How sure the model is of what it gave to a record: as it says itself, or by its tokens."""
        if reply.confidence is not None or reply.logprobs is None:
            return reply.confidence
        said = Said(reply.text or "", reply.logprobs, events, cut=reply.finish == "length")
        if changes:
            return of_changes(said, self.schema.patch.wired.codec, record, self.schema.patch.pointer_of)
        wire = shape_of(reply.mode) == "wire"
        return of_record(said, self.schema.codec if wire else self.schema.type, record)

    def _doubted(
        self, state: State[T], reply: Reply, sure: Mapping[str, float] | None, told: tuple[str, ...]
    ) -> tuple[str, ...]:
        """The leaves of which the tokens of the model's answers are not sure enough. It is not asked again for them."""
        if not (state.doubted or sure):
            return ()
        gone = touched(state.doubted, told)
        low = () if reply.confidence is not None else [p for p, c in (sure or {}).items() if c < self.sure]
        return (*(p for p in state.doubted if p not in gone), *within(low, told))

    def _unsure(
        self,
        value: Any,
        reply: Reply,
        confidence: Mapping[str, float],
        spoken: tuple[str, ...],
        before: tuple[str, ...],
    ) -> tuple[str, ...]:
        """The declared fields that a model with a confidence of its own left out or was not sure of, and that none
        without one has spoken of since."""
        if reply.confidence is None and not before:
            return ()
        if reply.confidence is None:
            return tuple(p for p in before if not any(inside(p, place) or inside(place, p) for place in spoken))
        root = self.schema.type.resolve(self.schema.type.root)
        fields = [join(f.name) for f in root.fields] if isinstance(root, Record) else [""]
        return tuple(
            place
            for place in fields
            if get(value, place) is ABSENT
            or min((c for p, c in confidence.items() if inside(p, place)), default=1.0) < self.sure
        )

    def _extraction(self, document: Document, state: State[T]) -> Extraction[T]:
        problems = state.problems
        if (
            state.value is ABSENT or state.open or problems
        ):  # a record that is valid stays so, whatever became of later models
            problems += tuple(problem for problem in (state.unread, state.halted) if problem is not None)
        if (state.value is ABSENT or state.open) and not problems:
            problems = (Problem("", "No model was asked.", "configuration"),)
        value = state.salvage if state.value is ABSENT else state.value
        return Extraction(
            value=None if problems else state.instance,
            partial=value,
            problems=problems,
            evidence=Located(lambda: locate(value, self.schema.type, document)),
            confidence=state.confidence,
            attempts=state.attempts,
            events=state.events,
            document=document.id if document.attachments else later_of(document, "id"),
            source=document.source,
        )


_Turn = Generator[tuple[Call, ...], tuple[Reply, ...], State[T]]

_BEGUN: State[Any] = State()
"""What is known of a document before anybody is asked."""


def _halt(reply: Reply, facts: ModelFacts) -> Problem | None:
    """Why this model must not be asked again for this document, if so."""
    if reply.failure is not None:
        what = reply.failure.message
        if reply.failure.kind == "document" and reply.failure.fix:  # whoever has the document can do something
            what = f"{what.rstrip('.')}. {reply.failure.fix}"
        return Problem("", what, reply.failure.kind)
    if reply.refusal is not None:
        return Problem("", f"{facts.name} refused: {reply.refusal}", "refusal")
    if reply.finish == "filter":
        return Problem("", f"The content filter of {facts.name} stopped the answer.", "filter")
    return None


def _truncated(settings: Mapping[str, Any], facts: ModelFacts) -> Problem:
    given = settings.get("max_completion_tokens") or settings.get("max_tokens") or facts.max_output
    room = f"{given:,} tokens" if given else "room"
    return Problem("", f"The answer did not fit into the {room} that {facts.name} had for it.", "length")


def _unread(reading: Reading) -> Problem | None:
    """Why an answer cannot be read as a record, if so: it is not understood, or ends before its record does."""
    wrong = [one for one in reading.problems if one.kind == "reading"]
    if reading.complete:
        return next((one for one in wrong if not one.pointer), None)
    message = wrong[0].message if wrong else "The text ends before its record does"
    return Problem("", message, "reading")


def _unfinished(open_: tuple[Gap, ...]) -> Problem:
    missing = ", ".join(gap.pointer or "the record" for gap in open_[:MOST_NAMED])
    more = f" and {len(open_) - MOST_NAMED} more" if len(open_) > MOST_NAMED else ""
    return Problem("", f"The answer was cut off, and what was missing did not come: {missing}{more}.", "length")


MOST_NAMED = 5
"""So many of the missing places are named."""


def _more_room(settings: Mapping[str, Any], facts: ModelFacts) -> Mapping[str, Any] | None:
    """The settings with twice the room for the answer, or None where there is no more."""
    for name in ("max_tokens", "max_completion_tokens"):
        limit = settings.get(name)
        most = facts.max_output or 8 * (limit or 0)
        if limit is not None and limit < most:
            return {**settings, name: min(2 * limit, most)}
    return None


def _broken(check: Check, row: Mapping[str, Any], pointer: str) -> Problem:
    value = get(row, pointer)
    return Problem(pointer, f"the check `{check.text}` does not hold", "check", None if value is ABSENT else value)


def _changed_places(events: tuple[Event, ...]) -> tuple[str, ...]:
    return tuple(event.pointer for event in events if event.rule == "repair.field")
