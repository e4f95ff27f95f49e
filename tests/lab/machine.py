#!/usr/bin/env python3
"""Runs an emulator of the lab and brings back what its machine writes to the serial port.

  machine.py --serial LOG --out FOLDER --times FILE --time-limit SECONDS -- EMULATOR...

The emulator writes the port to LOG; tests/lab/init says what is in it. The command's output goes to
standard output as it comes, its files to FOLDER; the exit status is the command's. FILE gets two numbers, the
seconds until the command started and those that it took, by this machine's clock. 124: the time limit; 125: the
machine stopped before the command ended. However this ends, the emulator and all it started end with it: they are
a process group of their own, and die with this process.
"""
import argparse
import base64
import gzip
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import tty

LIMIT, BROKEN = 124, 125


class Serial:
    """What init writes, taken apart: output is passed on, status and files are kept."""

    def __init__(self, folder):
        self.folder = folder
        self.pending = b""
        self.state = "boot"
        self.started = self.ended = None
        self.status = None
        self.separator = b""
        self.name = ""
        self.lines = []

    def feed(self, data):
        self.pending += data
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            self.line(line)

    def line(self, line):
        word = line.split()
        if self.state == "boot":
            if line.rstrip(b"\r") == b"@lab start":
                self.state, self.started = "output", time.monotonic()
        elif self.state == "output":
            if len(word) == 3 and word[:2] == [b"@lab", b"status"] and word[2].isdigit():
                self.state, self.status, self.ended = "files", int(word[2]), time.monotonic()
                return
            # Line ends go before the next line: the one before the status is init's.
            self.write(self.separator + line)
            self.separator = b"\n"
        elif self.state == "files":
            if word[:2] == [b"@lab", b"file"]:
                self.state, self.lines = "file", []
                # A name, never a path: the machine is not to choose where files go.
                self.name = os.path.basename(line.split(b" ", 2)[2].decode(errors="replace"))
            elif line == b"@lab done":
                self.state = "done"
        elif self.state == "file":
            if line == b"@lab end":
                data = gzip.decompress(base64.b64decode(b"".join(self.lines)))
                (self.folder / self.name).write_bytes(data)
                self.state = "files"
            else:
                self.lines.append(line)

    @staticmethod
    def write(data):
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def say(text):
    print(f"lab: {text}", file=sys.stderr)


def follow(emulator, log, serial, limit):
    """Reads the log until the machine is done, gone or out of time. Returns the exit status."""
    end = time.monotonic() + limit
    while True:
        gone = emulator.poll() is not None
        serial.feed(log.read())
        if serial.state == "done":
            return serial.status
        if gone:
            say(f"the machine stopped in state '{serial.state}' (emulator's status {emulator.returncode})")
            say(f"its last words are in {log.name} and {log.name}.screen")
            return BROKEN
        if time.monotonic() > end:
            say(f"the time limit of {limit:g} s is over in state '{serial.state}'")
            return LIMIT
        time.sleep(0.1)


def as_nice_as_this(pid):
    """sched(7), "The autogroup feature": a session is a group that the scheduler weighs as a whole, so that the
    niceness of a process in a session of its own means nothing until the group has it."""
    try:
        pathlib.Path(f"/proc/{pid}/autogroup").write_text(str(os.nice(0)))
    except OSError:
        pass


def end_group(emulator):
    try:
        os.killpg(emulator.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    emulator.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--serial", required=True)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--times", required=True, type=pathlib.Path)
    parser.add_argument("--time-limit", required=True, type=float)
    parser.add_argument("emulator", nargs="+")
    options = parser.parse_args()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    open(options.serial, "wb").close()
    # Emulators talk to a terminal, and wait when nobody reads it.
    screen, terminal = pty.openpty()
    threading.Thread(target=drain, args=(screen, options.serial + ".screen"), daemon=True).start()
    began, serial = time.monotonic(), Serial(options.out)
    emulator = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *options.emulator], stdin=terminal, stdout=terminal, stderr=terminal,
        start_new_session=True, env={**os.environ, "TERM": "xterm"})
    as_nice_as_this(emulator.pid)
    try:
        with open(options.serial, "rb") as log:
            return follow(emulator, log, serial, options.time_limit)
    finally:
        end_group(emulator)
        if serial.ended is not None:
            options.times.write_text(f"{serial.started - began:.1f} {serial.ended - serial.started:.1f}\n")


def drain(screen, path):
    """Empties the emulator's terminal into a file. Bochs makes one of its own, says which, and stops when
    nobody reads that either."""
    said = b""
    with open(path, "wb", buffering=0) as copy:
        while True:
            try:
                data = os.read(screen, 65536)
            except OSError:
                return
            copy.write(data)
            if said is not None:
                said += data
                other = re.search(rb'connected to screen "(/dev/pts/\d+)"', said)
                if other:
                    said = None
                    inner = os.open(other.group(1), os.O_RDWR | os.O_NOCTTY)
                    tty.setraw(inner)
                    threading.Thread(target=discard, args=(inner,), daemon=True).start()


def discard(terminal):
    try:
        while os.read(terminal, 65536):
            pass
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main())
