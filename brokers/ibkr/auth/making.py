"""New keys: two RSA keys, and a Diffie-Hellman prime that a process of its own searches for."""

from __future__ import annotations

import re
import secrets
import string
import subprocess
import sys

from cryptography.hazmat.primitives.asymmetric import dh, rsa

from brokers.ibkr.auth.keys import private_pem

RSA_BITS, PRIME_BITS = 2048, 2048
# A search takes half a minute as a rule, and has no end that is certain.
LONGEST_SEARCH = 600.0
CONSUMER_KEY = re.compile(r"[A-Z]{9}")


class SearchFailed(Exception):
    """No prime was found in time."""


def new_private_pem() -> str:
    """A new RSA key."""
    return private_pem(rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS))


def new_consumer_key() -> str:
    """Nine letters that nobody has at IBKR yet, as far as chance goes."""
    return "".join(secrets.choice(string.ascii_uppercase) for _ in range(9))


def new_prime(bits: int = 0) -> int:
    """A prime p of which (p - 1) / 2 is one too. Searched for by a process that leaves the machine to everybody else."""
    command = [sys.executable, "-m", __name__, str(bits or PRIME_BITS)]
    try:
        search = subprocess.run(  # noqa: S603 - our own module
            command, capture_output=True, text=True, timeout=LONGEST_SEARCH, check=True
        )
        return int(search.stdout, 16)
    except (subprocess.SubprocessError, OSError, ValueError) as problem:
        raise SearchFailed("No Diffie-Hellman prime was found in time.") from problem


def _search(bits: int) -> int:
    return dh.generate_parameters(generator=2, key_size=bits).parameter_numbers().p


if __name__ == "__main__":
    import os

    os.nice(15)
    sys.stdout.write(f"{_search(int(sys.argv[1])):x}")
