"""`cortex doctor`: what of the sandbox this machine gives, and what to do about what it does not."""

from __future__ import annotations

import sys
from pathlib import Path

from cortex.runner.commands import Commands
from cortex.runner.egress import Egress
from cortex.runner.protocol import CannotStart
from cortex.runner.zygote import Kind, Zygote

LAYERS = (
    "user namespaces",
    "mount namespace",
    "network namespace",
    "pid namespace",
    "own /proc",
    "landlock",
    "seccomp",
    "process limit",
)
ADVICE = {
    "namespaces": "In a container: give it a seccomp profile that allows unshare, clone and mount (docker-compose.yml says "
    "which). On Debian: sysctl kernel.unprivileged_userns_clone=1; on Ubuntu: sysctl "
    "kernel.apparmor_restrict_unprivileged_userns=0.",
    "own /proc": "In a container: /proc is masked. systempaths=unconfined lets a job have a /proc of its own.",
    "landlock": "Linux 5.13 or later with CONFIG_SECURITY_LANDLOCK, and landlock in the kernel's lsm= list.",
    "process limit": "Run the runner as an ordinary user (root is exempt from the limit), or on Linux 6.14 or later.",
}


async def examine(analyzers_python: str | None, preload: tuple[str, ...], *, required: bool) -> tuple[str, bool]:
    """The report, and whether jobs run under these settings."""
    egress = Egress([])
    await egress.start()
    lines: list[str] = []
    missing: dict[str, str] = {}
    good = True
    interpreter = Commands(analyzers_python).interpreter(Path("/"))
    for title, kind in (("cold", Kind(sys.executable, ())), ("warm", Kind(interpreter, preload))):
        try:
            zygote = await Zygote.start(kind, proxy_port=egress.port)
        except CannotStart as error:
            lines.append(f"{title}: {error}")
            good = False
            continue
        missing |= zygote.greeting.missing
        lines.append(f"{title}: {kind.interpreter} (Python {zygote.greeting.version}) is ready")
        await zygote.close()
    await egress.close()
    lines.append("")
    for layer in LAYERS:
        reason = missing.get("namespaces") if layer == "user namespaces" else missing.get(layer)
        if reason is None and "namespaces" in missing and layer.endswith("namespace"):
            reason = "needs user namespaces"
        lines.append(f"{layer:<18} {'there' if reason is None else f'MISSING: {reason}'}")
    lines += ["", *(f"{layer}: {ADVICE[layer]}" for layer in missing if layer in ADVICE)]
    if missing and required:
        good = False
        lines.append("CORTEX_SANDBOX=require: no job will run here.")
    elif missing:
        lines.append("CORTEX_SANDBOX=best-effort: jobs run, and each says what it ran without.")
    return "\n".join(lines).rstrip(), good
