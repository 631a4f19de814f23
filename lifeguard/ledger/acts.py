"""What the end of a call does to the tables: the meaning of each verb."""

from __future__ import annotations

from collections.abc import Callable

from lifeguard.keys import Key, show, show_fields
from lifeguard.kinds import OUTSIDE, Kind, Resource
from lifeguard.ledger.book import Book, is_open
from lifeguard.ledger.desk import Desk, heard
from lifeguard.ledger.records import Act, Call, Generation, Note, Ref, Steps, Verb
from lifeguard.ledger.spans import TINY, Span
from lifeguard.ledger.states import Effect, Event, State, effect_of


class Engine(Desk):
    """The desk, and what each verb does there."""

    __slots__ = ()

    # -- verbs ------------------------------------------------------------------------------------------------------------------

    def apply(self, call: Call, act: Act, *, raised: bool) -> None:
        """Do what one contract of one call says."""
        self.tick()
        if act.verb is Verb.ACQUIRE:
            self._acquire(call, act, raised)
        elif act.verb is Verb.FAIL:
            self._fail(call, act)
        else:
            target = act.target if act.resolved else self.named(act.kind, act.key, call.chain)
            if target is not None and target.book.sealed:
                target.book.late += 1
            elif target is not None and self.sampling and not target.book.takes(act.kind, act.key):
                return  # it was given up
            elif act.verb is Verb.RELEASE:
                self._release(call, act, target, raised)
            elif act.verb is Verb.TRANSFER:
                self._transfer(call, act, target, raised)
            elif act.verb is Verb.USE:
                self._use(call, act, target, raised)
            else:
                self._roll_back(call, act, target, raised and not act.reraised)

    @staticmethod
    def _told_already(call: Call, generation: Generation, verb: Verb) -> bool:
        """Whether a call inside this one told the same; it then stands at the line of this one's caller."""
        told = generation.told.get(verb)
        if not call.told_inside(told):
            return False
        generation.relocate(told, call)
        return True

    def _acquire(self, call: Call, act: Act, raised: bool) -> None:
        home = self.home(act.kind, act.key, call.chain)
        if home is None:
            if not raised and all(book.sealed for book in call.chain):
                self.nowhere += 1  # else there was a scope, which does not want this kind
            return
        claimed = self.tables.claim(act.kind, act.key, home)
        try:
            self._acquire_at(call, act, home, raised)
        finally:
            self.tables.unclaim(claimed, act.key)

    def _acquire_at(self, call: Call, act: Act, home: Book, raised: bool) -> None:
        generation = self.tables.held_in_chain(act.kind, act.key, call.chain)
        if generation is None:
            generation = self.tables.settled_in_chain(act.kind, act.key, call.chain)
        event = Event.ACQUIRED if not raised else Event.ACQUIRE_IN_DOUBT if act.in_doubt else Event.ACQUIRE_RAISED
        effect = effect_of(generation.state if generation is not None else State.UNSEEN, event)
        if effect is Effect.NOTHING:
            return
        if not raised:
            self.acquired += 1
            for book in call.chain[: call.around]:
                book.inside += 1
            if home not in call.chain[: call.around]:
                home.inside += 1
        if effect in (Effect.OPEN, Effect.OPEN_IN_DOUBT):
            generation = self._open_acquired(call, act, home)
            if effect is Effect.OPEN_IN_DOUBT:
                home.tally(act.kind)
                generation.state = State.DOUBT
                generation.seeded = act.excused
                generation.first[-1] = Note(self.seq, event.value, call.function, call.site, call.actor, call.error)
                return
        assert generation is not None
        if effect is Effect.NOTE:
            self.note(generation, call, event.value, call.error)
            return
        if effect is Effect.CONFIRM:
            generation.state = State.HELD
            generation.seeded = False
            self.note(generation, call, "acquired", "in doubt no longer")
            self._label(generation, act, call)
        elif effect is Effect.AGAIN:
            if self._told_already(call, generation, Verb.ACQUIRE):
                self._label(generation, act, call)
                return
            generation = self._again(call, act, generation, home)
        home.tally(act.kind).acquired += 1
        self.tell(generation, call, Verb.ACQUIRE)

    def _open_acquired(self, call: Call, act: Act, home: Book) -> Generation:
        generation = self.open(call, home, act.kind, act.key, "acquired", act.about, amounts=act.amount)
        self._label(generation, act, call)
        return generation

    def _label(self, generation: Generation, act: Act, call: Call) -> None:
        new = tuple(subject for subject in act.about if subject not in generation.about)
        if new:
            generation.about = (*generation.about, *new)
        if act.within is not None and generation.parent is None:
            parent = self.named(*act.within, call.chain)
            if is_open(parent) and parent is not generation:
                assert parent is not None
                generation.parent = parent
                parent.parts[generation] = None
            elif self.is_left_out(*act.within):
                self.give_up(generation.kind, generation.key)

    def _again(self, call: Call, act: Act, held: Generation, home: Book) -> Generation:
        if held.amounts is not None and act.amount is not None:
            if len(held.amounts) != len(act.amount):
                self.complain(
                    home,
                    "LG401",
                    f"amounts of {len(act.amount)} and of {len(held.amounts)} numbers for one key",
                    call=call,
                    kind=act.kind,
                )
                return held
            before = held.amounts
            held.amounts = tuple(have + more for have, more in zip(held.amounts, act.amount, strict=True))
            self.spans.counted(held, call, before)
            self.note(held, call, "acquired", f"{_amounts(act.amount)} more, {_amounts(held.amounts)} in all")
            return held
        assert isinstance(act.kind, Resource)
        again = act.kind.again
        if again == "replace":
            self.note(held, call, "overwritten")
            self._overwrite(held, call)
            fresh = self._open_acquired(call, act, home)
            self._inherit(held, fresh)
            return fresh
        if again == "keep":
            self.note(held, call, "acquired", "held already, which is kept")
        elif again == "count":
            held.count += 1
            self.spans.counted(held, call, (held.count - 1,))
            self.note(held, call, "acquired", f"{held.count} times now")
        else:
            if act.kind.needs is None:
                held.count += 1
                self.spans.counted(held, call, (held.count - 1,))
            self.note(held, call, "acquired", "while held")
            text = "acquired again while held"
            if held.receiver is not None and call.receiver is not None and held.receiver != call.receiver:
                text += (
                    "; the two calls were made on different objects: "
                    'if each of them numbers from 1, the issuer belongs into the key (key="self, …")'
                )
            if not held.again_said:
                held.again_said = True
                self.blame(held, "LG106", text, call)
        self._label(held, act, call)
        return held

    def _overwrite(self, held: Generation, call: Call) -> None:
        """Settle what another takes the place of; its parts and what it owns pass on, so they are not touched."""
        parts, owned = held.parts, held.owned
        held.parts, held.owned = {}, {}
        self.settle(held, call, State.GONE)
        held.parts, held.owned = parts, owned

    def _inherit(self, old: Generation, new: Generation) -> None:
        for part in old.parts:
            part.parent = new
        for one in old.owned:
            one.owner = new
        new.parts.update(old.parts)
        new.owned.update(old.owned)
        old.parts, old.owned = {}, {}

    def _release(self, call: Call, act: Act, target: Generation | None, raised: bool) -> None:
        event = Event.RELEASED if not raised else Event.RELEASE_GONE if act.gone else Event.RELEASE_RAISED
        effect = effect_of(target.state if target is not None else State.UNSEEN, event)
        if effect is Effect.UNMATCHED:
            self.unmatched(call, act, "released")
        if target is None or effect in (Effect.NOTHING, Effect.UNMATCHED):
            return
        if not raised and self._told_already(call, target, Verb.RELEASE):
            return
        if effect is Effect.NOTE or (effect is Effect.DOUBLE and act.idempotent):
            self.note(target, call, event.value, call.error if raised else "already settled, which is fine")
        elif effect is Effect.DISSOLVE:
            self.note(target, call, event.value, call.error)
            self._dissolve(target, call)
        elif effect is Effect.SPEND:
            self.note(target, call, event.value, "after it had been settled")
            target.state = State.RELEASED
        elif effect is Effect.DOUBLE:
            self.note(target, call, event.value, "again")
            self.blame(target, "LG103", "released again", call)
        else:
            self._pay(call, act, target, event)
        if not raised:
            target.book.tally(act.kind).released += 1
        self.tell(target, call, Verb.RELEASE)

    def _pay(self, call: Call, act: Act, target: Generation, event: Event) -> None:
        error = f" ({call.error})" if event is Event.RELEASE_GONE and call.error else ""
        if target.state is State.DOUBT:
            self.note(target, call, event.value, error.strip())
        elif target.amounts is not None and act.amount is not None:
            if not self._pay_amount(call, act.amount, target, event):
                return
        elif target.remaining and act.part is not None:
            if act.part in target.paid:
                self.note(target, call, event.value, f"part {act.part!r} again")
                self.blame(target, "LG103", f"part {act.part!r} released again", call)
                return
            target.paid = (*target.paid, act.part)
            self.note(target, call, event.value, f"part {act.part!r}{error}")
            if target.remaining:
                target.state = State.PARTLY
                return
        else:
            target.count -= 1
            if target.count > 0:
                self.spans.counted(target, call, (target.count + 1,))
                target.state = State.PARTLY
                self.note(target, call, event.value, f"{target.count} more due{error}")
                return
            self.note(target, call, event.value, error.strip())
        self.settle(target, call, State.RELEASED, act.cascade)

    def _pay_amount(self, call: Call, amount: tuple[float, ...], target: Generation, event: Event) -> bool:
        """Subtract; True where nothing remains."""
        assert target.amounts is not None
        if len(amount) != len(target.amounts):
            self.complain(
                target.book,
                "LG401",
                f"amounts of {len(amount)} and of {len(target.amounts)} numbers for one key",
                call=call,
                kind=target.kind,
            )
            return False
        rest = tuple(have - less for have, less in zip(target.amounts, amount, strict=True))
        self.note(target, call, event.value, f"{_amounts(amount)} of {_amounts(target.amounts)}")
        over = any(one < -TINY for one in rest)
        if over:
            self.blame(target, "LG103", f"{_amounts(amount)} released where {_amounts(target.amounts)} was held", call)
        before = target.amounts
        target.amounts = tuple(one if one > TINY else 0 for one in rest)
        self.spans.counted(target, call, before)
        target.state = State.PARTLY
        return over or not any(target.amounts)

    def _dissolve(self, target: Generation, call: Call) -> None:
        self.spans.taken(target, call)
        target.state = State.UNSEEN
        self.tables.drop(target)
        self.spans.settled(target)
        heard(target, target.book)

    def _use(self, call: Call, act: Act, target: Generation | None, raised: bool) -> None:
        event = Event.USED if not raised else Event.USE_GONE if act.gone else Event.USE_RAISED
        effect = effect_of(target.state if target is not None else State.UNSEEN, event)
        if effect is Effect.UNMATCHED:
            self.unmatched(call, act, "used")
        if target is None or effect in (Effect.NOTHING, Effect.UNMATCHED):
            return
        if effect is Effect.DISSOLVE:
            self.note(target, call, event.value, call.error)
            self._dissolve(target, call)
        elif effect is Effect.CONFIRM:
            target.state = State.HELD
            self.note(target, call, event.value, "in doubt no longer")
        elif effect is Effect.AFTER and not self._ended_inside(call, target):
            self.note(target, call, event.value, "after it was settled")
            self.blame(target, "LG104", "used after it was settled", call)
        else:
            self.note(target, call, event.value, call.error if raised else "")
        if not raised:
            target.book.tally(act.kind).used += 1

    @staticmethod
    def _ended_inside(call: Call, target: Generation) -> bool:
        """Whether the call that uses it also settled it: it was held when the use began."""
        return call.told_inside(target.told.get(Verb.RELEASE)) or call.told_inside(target.told.get(Verb.TRANSFER))

    # -- transfers --------------------------------------------------------------------------------------------------------------

    def _transfer(self, call: Call, act: Act, target: Generation | None, raised: bool) -> None:
        event = Event.TRANSFERRED if not raised else Event.TRANSFER_RAISED
        effect = effect_of(target.state if target is not None else State.UNSEEN, event)
        if effect is Effect.UNMATCHED:
            self.unmatched(call, act, "handed over")
        if target is None or effect in (Effect.NOTHING, Effect.UNMATCHED):
            return
        if not raised and self._told_already(call, target, Verb.TRANSFER):
            return
        if effect is Effect.AFTER:
            self.note(target, call, event.value, "after it was settled")
            self.blame(target, "LG104", "handed over after it was settled", call)
        elif effect is Effect.NOTE:
            self.note(target, call, event.value, call.error)
        elif act.to_key is not None:
            claimed = self.tables.claim(act.kind, act.to_key, target.book)
            try:
                self._rename(call, act, target)
            finally:
                self.tables.unclaim(claimed, act.to_key)
        else:
            self._move(call, act, target)
        if not raised:
            target.book.tally(act.kind).transferred += 1
            self.tell(target, call, Verb.TRANSFER)

    def _move(self, call: Call, act: Act, target: Generation) -> None:
        to = act.to
        if to is OUTSIDE or to is None:
            self.note(target, call, "transferred", "to the outside")
            self.settle(target, call, State.OUTSIDE)
            return
        owner: Generation | None = None
        if isinstance(to, Book):
            book, why = to, "to a scope that is closed" if to.sealed else ""
            if not why and to.leaves_out(target.kind, target.key):
                self.note(target, call, "transferred", f"to scope {to.name!r}, which leaves it out")
                self.settle(target, call, State.OUTSIDE)
                return
        else:
            assert isinstance(to, tuple)
            owner = self.named(*to, call.chain)
            if owner is None and self.is_left_out(*to):
                self.give_up(target.kind, target.key)
                return
            why = "" if is_open(owner) else f"to {_shown(*to)}, which is not held"
            if owner is not None and self._owns(target, owner):
                why = "to something that it owns itself"
            book = owner.book if owner is not None else target.book
        if why:
            self.note(target, call, "transferred", why)
            self.blame(target, "LG107", f"handed {why}", call)
            return
        self.spans.taken(target, call)
        if target.state is State.DOUBT:
            target.state = State.HELD
        if target.owner is not None:
            target.owner.owned.pop(target, None)
        target.owner = owner
        if owner is not None:
            owner.owned[target] = None
            self.note(target, call, "transferred", f"to {_shown(owner.kind, owner.key)}")
        else:
            self.note(target, call, "transferred", f"to scope {book.name!r}")
        self._carry(target, book)

    def _owns(self, generation: Generation, other: Generation | None) -> bool:
        while other is not None:
            if other is generation:
                return True
            other = other.owner if is_open(other.owner) else other.parent
        return False

    def _carry(self, generation: Generation, book: Book) -> None:
        """Move a generation, with what it owns and its parts, into another scope's book."""
        before = generation.book
        if before is not book:
            self.tables.move(generation, book)
            heard(generation, before)
            heard(generation, book)
        for one in (*generation.owned, *generation.parts):
            if is_open(one) and one.book is not book:
                self._carry(one, book)

    def _rename(self, call: Call, act: Act, target: Generation) -> None:
        key = act.to_key
        assert key is not None
        if key == target.key:
            self.note(target, call, "transferred", "to the key that it has already")
            return
        if self.is_left_out(act.kind, key):
            self.give_up(act.kind, key)
            self.give_up(act.kind, target.key)
            return
        there = self.tables.held_in_chain(act.kind, key, (target.book, *call.chain))
        self.spans.taken(target, call)
        if target.state is State.DOUBT:
            target.state = State.HELD
        self.note(target, call, "transferred", f"from {show(target.key)} to {show(key)}")
        if there is None:
            self._renamed(target, key)
            return
        if there.state is State.DOUBT:
            there.state = State.HELD
            self.note(there, call, "acquired", f"by a transfer from {show(target.key)}; in doubt no longer")
            self._dissolve(target, call)
            self._inherit(target, there)
            return
        assert isinstance(act.kind, Resource)
        if act.kind.again == "replace" and there.amounts is None:
            self.note(there, call, "overwritten")
            self._overwrite(there, call)
            self._inherit(there, target)
            self._renamed(target, key)
            return
        if there.amounts is not None and target.amounts is not None and len(there.amounts) == len(target.amounts):
            there.amounts = tuple(have + more for have, more in zip(there.amounts, target.amounts, strict=True))
        elif act.kind.again in ("count", "error") and act.kind.needs is None:
            there.count += target.count
        self.note(there, call, "acquired", f"by a transfer from {show(target.key)}")
        self._dissolve(target, call)
        self._inherit(target, there)
        if act.kind.again == "error" and there.amounts is None and not there.again_said:
            there.again_said = True
            self.blame(there, "LG106", f"handed on to from {show(target.key)} while it is held", call)

    def _renamed(self, target: Generation, key: Key) -> None:
        target.since = self.seq
        self.tables.rename(target, key)
        heard(target, target.book)

    # -- failures and rollbacks -------------------------------------------------------------------------------------------------

    def expect_failure(self, refs: tuple[Ref, ...], step: Callable[[int], int]) -> None:
        """Count the running calls that would owe these rollbacks."""
        for ref in refs:
            count = step(self.failing.get(ref, 0))
            if count > 0:
                self.failing[ref] = count
            else:
                self.failing.pop(ref, None)
                self.early.pop(ref, None)

    def _fail(self, call: Call, act: Act) -> None:
        kind, key = act.kind, act.key
        owed = self.named(kind, key, call.chain)
        if act.succeeded:
            if is_open(owed):
                assert owed is not None
                self.note(owed, call, "succeeded", "a later success of the same call pays")
                self.settle(owed, call, State.RELEASED)
            return
        home = self.home(kind, key, call.chain)
        if home is None:
            return
        early = [(seq, error) for seq, error in self.early.get((kind, key), ()) if seq > call.began]
        if is_open(owed):
            assert owed is not None
            if call.told_inside(owed.told.get(Verb.FAIL)):
                return
            self.note(owed, call, "failed", call.error)
        else:
            owed = self.open(call, home, kind, key, "failed", act.about, call.error)
            for _, error in early:
                if error:
                    owed.attempts += 1
                    self.note(owed, call, "rollback raised", error)
        home.tally(kind).failed += 1
        self.tell(owed, call, Verb.FAIL)
        if any(not error for _, error in early):
            self.note(owed, call, "rolled back", "inside the call that failed")
            self.settle(owed, call, State.RELEASED)

    def owe_steps(self, call: Call, span: Span, key: Key) -> None:
        """The call whose steps a span collected has failed: they are owed, the last first."""
        kind = span.task
        assert kind is not None
        failed = self.named(kind, key, call.chain)
        home = self.home(kind, key, call.chain)
        if failed is None or home is None or not span.steps:
            return
        group = Steps(failed)
        for step_key, about, step_call in span.steps:
            self.tick()
            known = self.named(kind, step_key, call.chain)
            if is_open(known):
                assert known is not None
                step = known
            else:
                step = self.open(
                    step_call, home, kind, step_key, "completed", about, "a step of a call that failed later"
                )
            step.group = group
            group.steps.append(step)
        failed.group = failed.group or group

    def _roll_back(self, call: Call, act: Act, target: Generation | None, raised: bool) -> None:
        ref = (act.kind, act.key)
        if not is_open(target) and ref in self.failing:
            self.early.setdefault(ref, []).append((self.seq, (call.error or "it raised") if raised else ""))
            return
        if target is None:
            if not raised:
                self.unmatched(call, act, "rolled back")
            return
        if call.told_inside(target.told.get(Verb.ROLL_BACK)):
            return
        if is_open(target):
            self._tried(call, target)
        if raised:
            target.attempts += 1
            self.note(target, call, "rollback raised", call.error)
        elif is_open(target):
            self.note(target, call, "rolled back")
            self.settle(target, call, State.RELEASED)
        else:
            self.note(target, call, "rolled back", "again")
        self.tell(target, call, Verb.ROLL_BACK)
        if not raised:
            target.book.tally(act.kind).rolled_back += 1

    def _tried(self, call: Call, target: Generation) -> None:
        group = target.group
        if group is None:
            return
        group.tried.add(target)
        if target not in group.steps:
            return
        position = group.steps.index(target)
        before = [one for one in group.steps[position + 1 :] if is_open(one) and one not in group.tried]
        if before:
            later = "a later step" if len(before) == 1 else f"{len(before)} later steps"
            self.blame(target, "LG206", f"rolled back before {later}", call, tuple(before))


def _shown(kind: Kind, key: Key) -> str:
    return f"{kind.name} {show_fields(key, kind.fields)}"


def _amounts(amounts: tuple[float, ...]) -> str:
    return ", ".join(map(str, amounts))
