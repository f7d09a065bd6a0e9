"""F11: stopping and reloading under load."""

import json
import signal
import time
from pathlib import Path

from adversity.load import LoadClient, fill, run, run_until_closed
from compat.wire import Wire

from chaos.faulty_sidecar import FaultySidecar
from chaos.section import Section, Verdict

POLICY = "version: 1\ndefaults: {{ttl: {ttl}, deadline: 20s, write_deadline: 20s}}\n"
CLIENTS = 8


def measure(folder: Path, quick: bool) -> Section:
    """Several stops, each of a server of its own, and a hundred reloads of one."""
    stops, reloads = (2, 10) if quick else (20, 100)
    took, codes, cut = [], [], 0
    for number in range(stops):
        own = folder / str(number)
        own.mkdir()
        sidecar = FaultySidecar(own, origin="sqlite:///./features.db", policy=POLICY.format(ttl="1h"))
        fill(Wire(sidecar.connect()))
        clients = [LoadClient(sidecar.connect()) for _ in range(CLIENTS)]
        run(clients, lambda clients=clients: min(client.answered for client in clients) < 100)
        began_s = time.monotonic()
        sidecar.process.send_signal(signal.SIGTERM)
        run_until_closed(clients)
        codes.append(sidecar.process.wait(20))
        took.append(time.monotonic() - began_s)
        cut += sum(client.rest != b"" for client in clients)
    answered, errors = _reload(folder / "reloads", reloads)
    return Section(
        "Stop and reload are graceful (F11)",
        f"{CLIENTS} connections keep 30 reads and writes on their way and check every reply. {stops} times the server is "
        f"told to stop; on another the policy changes {reloads} times.",
        [
            Verdict("replies cut short by SIGTERM", "0", f"{cut} in {stops} stops", cut == 0),
            Verdict(
                "exit after SIGTERM", "0 within 2 s", f"codes {sorted(set(codes))}, at most {max(took):.2f} s",
                set(codes) == {0} and max(took) <= 2,
            ),
            Verdict(f"{reloads} reloads under load", "no error", f"{errors} errors in {answered:,} replies", errors == 0),
        ],
    )  # fmt: skip


def _reload(folder: Path, reloads: int) -> tuple[int, int]:
    """Replies that were checked, and errors in the log; a wrong reply raises."""
    folder.mkdir()
    sidecar = FaultySidecar(folder, origin="sqlite:///./features.db", policy=POLICY.format(ttl="1h"))
    try:
        fill(Wire(sidecar.connect()))
        clients = [LoadClient(sidecar.connect()) for _ in range(CLIENTS)]
        done = 0

        def reload() -> bool:
            nonlocal done
            if json.loads(sidecar.fetch("/policy"))["generation"] == 1 + done:
                if done == reloads:
                    return False
                done += 1
                new = sidecar.policy_path.with_suffix(".new")
                new.write_text(POLICY.format(ttl=f"{60 + done}s"))
                new.replace(sidecar.policy_path)
                sidecar.process.send_signal(signal.SIGHUP)
            return True

        run(clients, reload)
        return sum(client.answered for client in clients), sidecar.log().count('"level":"error"')
    finally:
        sidecar.stop()
