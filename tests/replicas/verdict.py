"""Whether what clients saw and what the gateway keeps are one history; what is not is put into words."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.replicas.frames import Frame
from tests.replicas.kept import Kept, KeptRun
from tests.replicas.play import mark_of, text_of
from tests.replicas.reading import Ended, Reading
from tests.replicas.recorder import Recorder


@dataclass(slots=True)
class Figures:
    """Sums over all conversations; events are counted once, however often they were read."""

    conversations: int = 0
    sent: int = 0
    accepted: int = 0
    runs: int = 0
    runs_not_terminal: int = 0
    events_kept: int = 0
    events_seen: int = 0
    """Without those that were marked as not stored."""
    events_lost: int = 0
    """Seen, and not in the replay."""
    events_changed: int = 0
    """Seen, and other bytes in the replay."""
    undurable_seen: int = 0
    undurable_lost: int = 0
    """Marked as not stored, and not in the replay, or another event there: what the mark allows."""
    settled_s: float = 0.0
    """How long the slowest run took to be over, from when the check asked for it."""
    readings: Counter[str] = field(default_factory=Counter[str])
    """How the clients' responses ended."""
    ends: Counter[str] = field(default_factory=Counter[str])
    """The terminal events."""


def judge(recorder: Recorder, kept: Kept, figures: Figures) -> Iterator[str]:
    """Give what is wrong with one conversation, and add it up in `figures`."""
    figures.conversations += 1
    figures.sent += len(recorder.sent)
    figures.accepted += sum(sent.reading.accepted for sent in recorder.sent)
    figures.settled_s = max(figures.settled_s, kept.settled_s)
    figures.readings.update(reading.end.value for reading in recorder.readings)
    if kept.complaint:
        yield kept.complaint
    for reading in recorder.readings:
        yield from (f"run {reading.run_id}: {text}" for text in _reading(reading))
    for run in kept.runs.values():
        readings = [reading for reading in recorder.readings if reading.run_id == run.run_id]
        yield from (f"run {run.run_id}: {text}" for text in _run(run, readings, kept, figures))
    yield from _questions(recorder, kept)
    yield from _rest(kept)


def _reading(reading: Reading) -> Iterator[str]:
    expected = list(range(reading.after + 1, reading.after + 1 + len(reading.frames)))
    numbers = [frame.seq for frame in reading.frames]
    if numbers != expected:
        yield f"a client that had {reading.after} was sent {_first_odd(numbers, expected)}"
    if reading.odd:
        yield f"a client was sent what is no event: {reading.odd[0]!r}"
    if any(frame.run_id != reading.run_id for frame in reading.frames):
        yield "a client was sent events of another run"
    if reading.end is Ended.CLEAN:
        yield "a client's stream ended without [DONE] and without a detachment"
    if reading.end is Ended.DONE and not reading.over:
        yield "a client's stream was [DONE] without a terminal event"
    if reading.end is Ended.DETACHED and reading.over:
        yield "a client was detached behind the terminal event"
    if reading.detachment and not _says_where(reading):
        yield f"a client was detached without being told where to go on: {reading.detachment}"


def _says_where(reading: Reading) -> bool:
    said = reading.detachment
    named = {"v": 1, "type": "stream.detached"}.items() <= said.items()
    return named and reading.run_id in str(said.get("resume_url")) and isinstance(said.get("retry_ms"), int)


def _run(run: KeptRun, readings: Sequence[Reading], kept: Kept, figures: Figures) -> Iterator[str]:
    frames = run.frames
    figures.runs += 1
    figures.events_kept += len(frames)
    yield from _replay(run, frames, figures)
    yield from _compare(readings, frames, figures)
    if run.over:
        yield from _answer(run, frames[-1], kept)


def _replay(run: KeptRun, frames: Sequence[Frame], figures: Figures) -> Iterator[str]:
    numbers, expected = [frame.seq for frame in frames], list(range(1, len(frames) + 1))
    if numbers != expected:
        yield f"the replay has {_first_odd(numbers, expected)}"
    wrong = [frame.seq for frame in frames if frame.misnamed or frame.run_id != run.run_id]
    if wrong:
        yield f"the replay's events {wrong} say another number, type or run than their frames"
    if odd := [block for reading in run.replay for block in reading.odd]:
        yield f"the replay has what is no event: {odd[0]!r}"
    terminal = [frame.seq for frame in frames if frame.terminal]
    if not terminal:
        figures.runs_not_terminal += 1
        how = ", ".join(f"{reading.status} {reading.end}" for reading in run.replay[-3:])
        yield f"it has no end: {len(frames)} events, status {run.status}, the replay: {how}"
        return
    figures.ends.update(frame.type for frame in frames if frame.terminal)
    if terminal != numbers[-1:]:
        yield f"terminal events are {terminal}, the last event is {numbers[-1]}"
    if run.replay[-1].end is not Ended.DONE:
        yield f"the replay's body ended {run.replay[-1].end}"
    if run.over and run.behind_end != 204:
        yield f"a resume behind the terminal event is answered with {run.behind_end}"


def _compare(readings: Sequence[Reading], frames: Sequence[Frame], figures: Figures) -> Iterator[str]:
    stored: dict[int, Frame] = {}
    for frame in frames:
        stored.setdefault(frame.seq, frame)
    seen = {frame.raw: frame for reading in readings for frame in reading.frames}
    durable = [frame for frame in seen.values() if frame.durable]
    lost = sorted({frame.seq for frame in durable if frame.seq not in stored})
    changed = sorted({frame.seq for frame in durable if frame.seq in stored and not frame.same(stored[frame.seq])})
    unsure = {frame.seq: frame for frame in seen.values() if not frame.durable}
    figures.events_seen += len({frame.seq for frame in durable})
    figures.events_lost += len(lost)
    figures.events_changed += len(changed)
    figures.undurable_seen += len(unsure)
    figures.undurable_lost += sum(seq not in stored or not frame.same(stored[seq]) for seq, frame in unsure.items())
    if lost:
        yield f"{len(lost)} events that a client was sent are lost: {_some(lost)}"
    if changed:
        first = next(frame for frame in durable if frame.seq == changed[0] and not frame.same(stored[frame.seq]))
        yield f"{len(changed)} events have changed: {_some(changed)}; {first.raw!r} is now {stored[first.seq].raw!r}"


def _answer(run: KeptRun, end: Frame, kept: Kept) -> Iterator[str]:
    """Compare the events with the messages that the conversation has of this run."""
    written: dict[str, str] = {}
    for frame in run.frames:
        if frame.type == "message.delta":
            event = frame.event
            written[event["message_id"]] = written.get(event["message_id"], "") + event["content"]
    status = end.event["status"]
    if run.status != status:
        yield f"it is told to be {run.status}, its last event says {status}"
    answers = {
        str(message["id"]): message
        for message in kept.messages
        if message["run_id"] == run.run_id and message["role"] == "assistant"
    }
    missing = sorted({*written, *end.event["message_ids"]} - answers.keys())
    if missing:
        yield f"the conversation has not its messages {missing}"
    for number, message in answers.items():
        text, deltas = str(message["text"]), written.get(number, "")
        if text != deltas:
            yield f"the stored text and the deltas differ: {_difference(text, deltas)}"
        if message["status"] != status:
            yield f"its message is {message['status']}, its last event says {status}"
    yield from _script(run, "".join(written.values()), kept, whole=status == "completed")


def _script(run: KeptRun, text: str, kept: Kept, *, whole: bool) -> Iterator[str]:
    """Compare the text with what the upstream wrote, for a message that was a play."""
    asked = [
        str(message["content"])
        for message in kept.messages
        if message["run_id"] == run.run_id and message["role"] == "user"
    ]
    script = text_of(asked[0]) if asked and mark_of(asked[0]) else text
    if (whole and text != script) or not script.startswith(text):
        yield f"the text is not what the upstream wrote: {_difference(text, script)}"


def _questions(recorder: Recorder, kept: Kept) -> Iterator[str]:
    """Count the messages of the user: with a key one for all tries, without one for each."""
    found = Counter(str(message["content"]) for message in kept.messages if message["role"] == "user")
    tries: dict[str, dict[str, list[bool]]] = {}
    for place, sent in enumerate(recorder.sent):
        by_key = tries.setdefault(sent.text.strip(), {})
        by_key.setdefault(sent.key or f"#{place}", []).append(sent.reading.accepted)
    for text, by_key in tries.items():
        least = sum(any(accepted) for accepted in by_key.values())
        if not least <= found[text] <= len(by_key):
            yield f"message {text!r}: {least} times acknowledged, {len(by_key)} times asked, {found[text]} times kept"
    if unknown := found.keys() - tries.keys():
        yield f"conversation {kept.conversation} has messages that nobody sent: {sorted(unknown)}"


def _rest(kept: Kept) -> Iterator[str]:
    name = f"conversation {kept.conversation}"
    if kept.followed not in {0, 204}:
        yield f"{name}: no run is active, and following it is answered with {kept.followed}"
    probe = kept.probe
    if probe is not None and not (probe.end is Ended.DONE and probe.over):
        yield f"{name} takes no further message: {probe.status} {probe.end} {probe.body[:300].decode(errors='replace')}"


def _first_odd(numbers: Sequence[int], expected: Sequence[int]) -> str:
    place = next(place for place, number in enumerate(numbers) if number != expected[place])
    return f"number {numbers[place]} where {expected[place]} belongs"


def _some(numbers: Sequence[int]) -> str:
    return f"{', '.join(map(str, numbers[:10]))}{', …' if len(numbers) > 10 else ''}"


def _difference(one: str, other: str) -> str:
    both = zip(one, other, strict=False)
    place = next((place for place, (a, b) in enumerate(both) if a != b), min(len(one), len(other)))
    start = max(0, place - 20)
    return f"{one[start : place + 20]!r} and {other[start : place + 20]!r} at {place}, {len(one)} and {len(other)} long"
