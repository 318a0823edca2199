"""自带数据库: a real PostgreSQL that belongs to one home folder and needs nobody to look after it.

`Server(home).start()` finds the binaries, makes the cluster at the first start, mends what a crash
left behind, and keeps the postmaster running until `stop()`. It listens on a unix socket only; who
may speak to it is the operating-system user that started it (peer authentication), so there is no
password to lose. Started by root, the database runs as an unprivileged system user.

A centre with its own PostgreSQL (15 or newer) sets DATABASE_URL and never comes here.
"""

from storage.postgres.binaries import Binaries, find_binaries
from storage.postgres.ground import HomeTaken, PostgresTrouble
from storage.postgres.server import APP, DATABASE, OWNER, Server, Urls, give_app_its_rights, temporary_server

__all__ = [
    "APP", "DATABASE", "OWNER", "Binaries", "HomeTaken", "PostgresTrouble", "Server", "Urls",
    "find_binaries", "give_app_its_rights", "temporary_server",
]
