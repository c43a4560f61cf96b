"""What a ticker looks like: the one grammar by which signals and lists are read, and to which brokers' names are held."""

from __future__ import annotations

import re

MONTH_CODES = "FGHJKMNQUVXZ"
LONGEST = 40

STOCK = re.compile(r"([A-Z0-9]{1,14})(?:[./-](PR[A-Z]|[A-Z0-9]{1,2}))?")
# A share that is listed abroad stands behind the prefix of its exchange. London writes BP. and RR. with a dot at the end.
DOTTED = re.compile(r"[A-Z]{1,3}\.")
ABROAD = re.compile(rf"[A-Z]{{2,12}}:(?:{STOCK.pattern}|{DOTTED.pattern})")
ROOT = re.compile(r"[A-Z0-9]{1,5}")
CONTRACT = re.compile(rf"([A-Z0-9]{{1,5}}?)([{MONTH_CODES}])(\d{{4}}|\d{{1,2}})")
CONTINUOUS = re.compile(r"([A-Z0-9]{1,8})([12])!")
PAIR = re.compile(r"([A-Z]{3})[./-]?([A-Z]{3})")
COINS = re.compile(r"([A-Z0-9]{2,10}?)[/-]?(USDT|USDC|USD|EUR|GBP)")
# Year first after a blank or nothing; month first after an underscore: the vendors' own difference. A digit behind the share,
# and before a blank or an underscore, is that of a class whose terms a split has changed.
OPTION = re.compile(r"([A-Z]{1,6}(?:[1-9](?=[ _]))?)( *|_)(\d{6})([CP]?)(\d{1,8}(?:\.\d{1,4})?)")
ON_FUTURE = re.compile(rf"[A-Z0-9]{{1,5}}?[{MONTH_CODES}]\d{{4}} \d{{6}}[CP]\d{{1,7}}(?:\.\d{{1,7}})?")
UNDERLYING = re.compile(r"[A-Z]{1,6}(?:[./-][A-Z]{1,2})?")
_ALL = (STOCK, ABROAD, ROOT, CONTRACT, CONTINUOUS, PAIR, COINS, OPTION, ON_FUTURE, UNDERLYING)

# What a broker calls bonds, warrants and funds: words of letters, digits and few signs.
_NAME = re.compile(r"[A-Z0-9](?:[A-Z0-9 ./()%-]*[A-Z0-9)%])?")
# The option in a description, its strike in thousandths: "SPY DEC2026 500 C [SPY   261218C00500000 100]".
_DESCRIBED_OPTION = re.compile(r"\[([A-Z]{1,6}[1-9]??) *(\d{6})([CP])(\d{5})(\d{3}) \d+\]")


def is_ticker(text: str) -> bool:
    """Whether a signal could name it."""
    return len(text) <= LONGEST and any(pattern.fullmatch(text) for pattern in _ALL)


def of_broker(spelled: str, conid: int) -> str:
    """A broker's name of a contract as it is kept and shown: a ticker, or what bonds and funds are called; where it is
    neither, or too long to be kept whole, the contract's number."""
    if (option := _DESCRIBED_OPTION.search(spelled)) is not None:
        root, day, right, whole, thousandths = option.groups()
        part = thousandths.rstrip("0")
        return f"{root} {day}{right}{int(whole)}{'.' if part else ''}{part}"
    name = " ".join(spelled.split())
    if len(name) <= LONGEST and (is_ticker(name) or _NAME.fullmatch(name)):
        return name
    return f"contract {conid}"
