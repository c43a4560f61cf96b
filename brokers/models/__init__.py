"""The brokerage account, and everything that is true at the broker. What must never be true, Postgres refuses."""

from brokers.models.accounts import BrokerageAccount, Closing, EquityPoint, OpeningPosition, Position
from brokers.models.actions.splits import CorporateAction, Rescaling
from brokers.models.authorizations import Authorization
from brokers.models.calls import Call
from brokers.models.chats.destinations import Delivery, Destination
from brokers.models.choices import ContractChoice
from brokers.models.columns import AmountValue, amount, choices, optional_amount, word
from brokers.models.connections import Connection, SessionEvent
from brokers.models.contracts import ContractLookup, ExchangeRate, MarginPreview
from brokers.models.doubts import Doubt
from brokers.models.groups import AccountGroup, Advisor, GroupChange
from brokers.models.keysets import KeySet
from brokers.models.moves.orders import OrderChanges, OrderEvent, OrderManager, OrderQuerySet
from brokers.models.notices import Dispatch, Notice, SilencedNotice
from brokers.models.options.chains import OptionChain
from brokers.models.orders import Order
from brokers.models.profit.changes import FillChange, FillRate, FirstHolding
from brokers.models.protection import ForeignOrder, Lapse
from brokers.models.questions import BrokerMessage, OrderPrompt, QuestionAnswer, Suppression
from brokers.models.records import Execution, NetFill, OrderModification, SubmissionAttempt
from brokers.models.tickets import Ticket
from brokers.models.tokens import LiveSessionToken
from brokers.models.unclaimed import UnclaimedOrder, UnexplainedChange
from brokers.models.whatifs import WhatIf

__all__ = [
    "AccountGroup",
    "Advisor",
    "AmountValue",
    "Authorization",
    "BrokerMessage",
    "BrokerageAccount",
    "Call",
    "Closing",
    "Connection",
    "ContractChoice",
    "ContractLookup",
    "CorporateAction",
    "Delivery",
    "Destination",
    "Dispatch",
    "Doubt",
    "EquityPoint",
    "ExchangeRate",
    "Execution",
    "FillChange",
    "FillRate",
    "FirstHolding",
    "ForeignOrder",
    "GroupChange",
    "KeySet",
    "Lapse",
    "LiveSessionToken",
    "MarginPreview",
    "NetFill",
    "Notice",
    "OpeningPosition",
    "OptionChain",
    "Order",
    "OrderChanges",
    "OrderEvent",
    "OrderManager",
    "OrderModification",
    "OrderPrompt",
    "OrderQuerySet",
    "Position",
    "QuestionAnswer",
    "Rescaling",
    "SessionEvent",
    "SilencedNotice",
    "SubmissionAttempt",
    "Suppression",
    "Ticket",
    "UnclaimedOrder",
    "UnexplainedChange",
    "WhatIf",
    "amount",
    "choices",
    "optional_amount",
    "word",
]
