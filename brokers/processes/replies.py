"""IBKR's questions and prompts about what was sent: answered as the team says, in a chain that has an end."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings

from brokers.domain import questions
from brokers.domain.brokerage import Ambiguous, Prompt, Question, Refused, SubmissionOutcome
from brokers.domain.calls import about_order
from brokers.domain.orders import Role
from brokers.domain.sentences import cut
from brokers.models import Connection, Order
from brokers.orders import execution
from brokers.orders.prompts import prompts
from brokers.orders.questions import chosen_by
from brokers.orders.unasked import wishes
from brokers.processes.wire import Wire


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policy:
    """By what one order's questions are answered: the team's choices, and whether its connection confirms ways out."""

    order: Order
    confirms_exits: bool
    chosen: Mapping[str, bool]

    def confirms(self, asked: Question | Prompt) -> bool:
        messages = (asked.message_id,) if isinstance(asked, Prompt) else asked.message_ids
        return questions.is_confirmed(
            tuple(each for each in messages if each),
            Role(self.order.role),
            confirms_exits=self.confirms_exits,
            chosen=self.chosen,
            text=asked.text,
        )


async def answer(
    wire: Wire, connection: Connection, order: Order, attempt_pk: int, outcome: SubmissionOutcome
) -> execution.Answer:
    """Answer what IBKR asks about a write, one after the other; returns its last word.

    After so many questions, or so long, the next one is declined: that chain is a quarrel, and its end is known.
    """
    if not isinstance(outcome, Question | Prompt):
        return execution.Answer(outcome=outcome, attempt_pk=attempt_pk)
    chosen = await wire.db(chosen_by, order.team_id)
    policy = _Policy(order=order, confirms_exits=connection.confirms_exits, chosen=chosen)
    clock, count = asyncio.get_running_loop().time, 0
    until = clock() + settings.IBKR_QUESTION_SECONDS
    while isinstance(outcome, Question):
        too_long = _why_no_longer(count, late=clock() > until)
        confirmed = not too_long and policy.confirms(outcome)
        question, count = outcome, count + 1
        await wire.db(execution.note_answer, attempt_pk, question, wire.clock())
        attempt_pk = await _begin(wire, order, question, confirmed)
        with about_order(order.pk, way_out=Role(order.role) in questions.WAYS_OUT):
            outcome = await wire.broker.reply(question, confirmed=confirmed)
        if not confirmed:
            outcome = _as_declined(outcome, question, Role(order.role), too_long)
            return execution.Answer(outcome=outcome, attempt_pk=attempt_pk, declined=True)
    if isinstance(outcome, Prompt):
        return await _answer_prompt(wire, policy, attempt_pk, outcome)
    return execution.Answer(outcome=outcome, attempt_pk=attempt_pk)


async def _begin(wire: Wire, order: Order, asked: Question, confirmed: bool) -> int:
    """Write down what is answered, before it leaves; returns the attempt's key."""
    attempt_pk = await wire.db(execution.begin_reply, order, asked, confirmed, wire.clock())
    if questions.cancels_all(asked.text):
        await wire.db(wishes.keep_asking, order.team_id, wire.clock())
    return attempt_pk


def _why_no_longer(count: int, *, late: bool) -> tuple[str, str] | None:
    """Why a chain of questions is not gone on with, in words with a stable code; None while it may go on."""
    if count >= settings.IBKR_QUESTIONS:
        return f"IBKR asked more than {settings.IBKR_QUESTIONS} questions about it", "asked-too-often"
    if late:
        return f"IBKR's questions about it took longer than {settings.IBKR_QUESTION_SECONDS} seconds", "asked-too-long"
    return None


async def _answer_prompt(wire: Wire, policy: _Policy, attempt_pk: int, prompt: Prompt) -> execution.Answer:
    """Say one of a prompt's options back, or leave it to a person; what became of the order is looked for either way."""
    said = await _say(wire, policy, prompt)
    if said is None:
        reason = questions.left_to_a_person(prompt.text)
        left = Ambiguous(reason=reason, code="prompt-of-ibkr", raw=prompt.raw)
        return execution.Answer(outcome=left, attempt_pk=attempt_pk)
    await wire.db(execution.note_answer, attempt_pk, prompt, wire.clock())
    return said


async def _say(wire: Wire, policy: _Policy, prompt: Prompt) -> execution.Answer | None:
    """Say one of a prompt's options back, once, whichever way it came; None where nothing was said."""
    order, confirmed = policy.order, policy.confirms(prompt)
    option = questions.option_of(prompt.options, confirmed=confirmed)
    attempt_pk = await wire.db(prompts.claim, order, prompt, confirmed, option, wire.clock())
    if attempt_pk is None or option is None:
        return None
    if questions.cancels_all(prompt.text):
        await wire.db(wishes.keep_asking, order.team_id, wire.clock())
    with about_order(order.pk, way_out=Role(order.role) in questions.WAYS_OUT):
        outcome = await wire.broker.choose(prompt, option)
    return execution.Answer(outcome=outcome, attempt_pk=attempt_pk)


async def answer_prompts(wire: Wire, connection: Connection) -> set[str]:
    """Answer what IBKR asks by the stream about orders that are there; returns the accounts whose orders are to be read."""
    concerned: set[str] = set()
    while not wire.stopping.is_set():
        found = await wire.db(prompts.next_due, wire.connection_pk, wire.clock())
        if found is None:
            break
        row, order = found
        chosen = await wire.db(chosen_by, order.team_id)
        policy = _Policy(order=order, confirms_exits=connection.confirms_exits, chosen=chosen)
        said = await _say(wire, policy, prompts.as_prompt(row))
        if said is not None:
            await wire.db(execution.note_answer, said.attempt_pk, said.outcome, wire.clock())
        concerned.add(order.account.account_id)
    return concerned


def _as_declined(
    outcome: SubmissionOutcome, question: Question, role: Role, too_long: tuple[str, str] | None
) -> SubmissionOutcome:
    """IBKR answers a "no" with an error text; people want to read the question instead."""
    if not isinstance(outcome, Refused):
        return outcome
    if too_long is None:
        reason = questions.as_declined(question.text, question.message_ids, role)
        return Refused(reason=reason, code=questions.code_of(question.message_ids))
    why, code = too_long
    said = f'{why}, and Halyard answers no more of them. Place it in TWS if it is wanted. IBKR: "{cut(question.text, 150)}"'
    return Refused(reason=said, code=code)
