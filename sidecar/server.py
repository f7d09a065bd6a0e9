"""Assembles the sidecar: every part is built here and given what it needs; nothing else knows them all."""

import asyncio
import contextlib
import gc
import resource
import signal
import sys
import time

from policies import PolicyError
from policies.watcher import PolicyWatcher
from protocol import FieldLists, Session, command_table
from sidecar.active_policy import ActivePolicy
from sidecar.admin import AdminServer
from sidecar.clock import SystemClock
from sidecar.commands._hot import HotCommands
from sidecar.commands.dispatch import Dispatcher
from sidecar.commands.services import Services
from sidecar.config import Config
from sidecar.fetch import ReadThrough, Writes
from sidecar.health import Health
from sidecar.logs import configure, logger
from sidecar.maintenance import Maintenance
from sidecar.memory import Store
from sidecar.metrics import Counters
from sidecar.metrics.exposition import Exposition
from sidecar.metrics.miss_path import MissPathCounters
from sidecar.net._poller import Poller
from sidecar.net.listener import Listener, ListenError, prepare_client
from sidecar.origins import OriginSetupError, open_origin
from sidecar.secret import SecretFile, SecretFileError

EXIT_OK, EXIT_FAILED = 0, 1
_DESCRIPTORS_KEPT = 64  # of the limit: files, the admin port, the origin
_TOO_MANY_CLIENTS = b"-ERR max number of clients reached\r\n"
_log = logger("server")
