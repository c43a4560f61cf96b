"""`python -m config.tests.walk.pooler PORT`: PgBouncer in transaction mode before the database that DATABASE_URL names.

A line of a test's Procfile. Each transaction is given to the connection that has rested longest, so that none meets the
session of the one before it, and there are fewer connections than there are processes that ask for one.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from config.embedded import children

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
SETTINGS = """
[databases]
halyard = host={host} port={port} dbname={dbname} user={user}

[pgbouncer]
pool_mode = transaction
server_round_robin = 1
default_pool_size = 6
max_client_conn = 500
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
admin_users = halyard
"""


def main() -> None:
    """Become the pooler."""
    assert PROGRAM
    where = {name: str(value) for name, value in conninfo_to_dict(os.environ["DATABASE_URL"]).items()}
    file = Path(os.environ["HALYARD_DATA"]) / "pgbouncer.ini"
    file.write_text(SETTINGS.format(**where, listen=sys.argv[1]))
    if os.geteuid() == 0:  # it refuses to be root
        children.namespace()()
    os.execv(PROGRAM, [PROGRAM, "--quiet", str(file)])


if __name__ == "__main__":
    main()
