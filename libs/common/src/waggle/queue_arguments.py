"""The arguments of `<service> queues`. Apart from the command itself, so that a program's other commands load none of it."""

from __future__ import annotations

import argparse


def add_queue_arguments(parser: argparse.ArgumentParser) -> None:
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--dead", metavar="QUEUE", help="its dead letters with their reasons; `outbox`: what the bus refuses")
    choice.add_argument("--resend", nargs=2, metavar=("QUEUE", "ID"), help="send a dead letter, or one of `outbox`, again")
