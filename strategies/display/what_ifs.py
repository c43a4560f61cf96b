"""IBKR's previews of a plan's orders beside the rulebook's estimates, as pages and the REST API show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from brokers.domain.orders import OrderIntent
from brokers.domain.whatif.figures import Commission, OrderPreview, WhatIfStatus
from brokers.models import WhatIf
from strategies.display.plans import how
from strategies.domain.plan.estimate import Estimate, money
from strategies.domain.plan.plan import Plan
from strategies.domain.plan.previewing import previewed


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One order of a plan: what the rulebook expects, and what IBKR said last, if it was asked."""

    position: int
    intent: OrderIntent
    how: str
    estimate: Estimate | None
    row: WhatIf | None
    preview: OrderPreview | None

    @property
    def is_asked(self) -> bool:
        """Whether the answer is on its way."""
        return self.row is not None and self.row.status == WhatIfStatus.ASKED

    @property
    def fee(self) -> str:
        """IBKR's fee: "1.00 USD", or "0.35 to 1.05 USD"."""
        return commission_words(self.preview.commission) if self.preview and self.preview.commission else ""


def commission_words(commission: Commission) -> str:
    least, most = money(commission.least), money(commission.most)
    return f"{least} {commission.currency}" if least == most else f"{least} to {most} {commission.currency}"


def beside(plan: Plan, rows: Mapping[int, WhatIf]) -> list[Beside]:
    """The orders of a plan that IBKR can be asked about, each with both figures."""
    return [
        Beside(
            position=position,
            intent=intent,
            how=how(intent),
            estimate=plan.estimates[position] if position < len(plan.estimates) else None,
            row=(row := rows.get(position)),
            preview=row.preview if row is not None else None,
        )
        for position, intent in previewed(plan)
    ]
