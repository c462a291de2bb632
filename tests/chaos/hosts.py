"""Hosts for a cluster: network namespaces on one bridge, whose links can be cut."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess

_numbers = itertools.count()


class HostError(Exception):
    """A command that makes or changes a host failed."""


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise HostError(f"{' '.join(command)}: {done.stderr.strip()}")


def are_possible() -> bool:
    """Whether this process may make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"rask-probe-{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
        run("ip", "netns", "delete", name)
    except HostError:
        return False
    return True


def _hardware_address(ip: list[str], link: str) -> str:
    command = [*ip, "-json", "link", "show", "dev", link]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]["address"]


class Hosts:
    """A bridge, and hosts on it, in a network of their own: several may be there at a time.

    Parameters
    ----------
    names : list of str
    """

    def __init__(self, names: list[str]) -> None:
        # The kernel takes a namespace apart after the command that deletes it has returned, so
        # each instance has names and addresses that none before it had.
        number = next(_numbers)
        self.tag = f"{os.getpid() % 100_000:05d}{number % 100:02d}"
        self.bridge = f"rb{self.tag}"
        network = f"10.{64 + (os.getpid() // 256 + number) % 128}.{os.getpid() % 256}"
        self.addresses = {name: f"{network}.{i + 2}" for i, name in enumerate(names)}
        try:
            # Otherwise the bridge takes the address of one of the hosts, and another's when that goes.
            own = f"02:00:00:{number % 256:02x}:{os.getpid() // 256 % 256:02x}:{os.getpid() % 256:02x}"
            run("ip", "link", "add", self.bridge, "address", own, "type", "bridge")
            run("ip", "address", "add", f"{network}.1/24", "dev", self.bridge)
            run("ip", "link", "set", self.bridge, "up")
            for name, address in self.addresses.items():
                self._add(name, address)
            self._introduce(f"{network}.1")
        except HostError:
            self.close()
            raise

    def _space(self, name: str) -> str:
        return f"rask-{self.tag}-{name}"

    def _link(self, name: str) -> str:
        return f"rv{self.tag}{name[:4]}"

    def _add(self, name: str, address: str) -> None:
        space, link = self._space(name), self._link(name)
        run("ip", "netns", "add", space)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        run("ip", "link", "set", link, "master", self.bridge, "up")
        run("ip", "-n", space, "address", "add", f"{address}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")
        run("ip", "-n", space, "link", "set", "lo", "up")

    def _introduce(self, outside: str) -> None:
        """Hosts know each other for good: asking for a host that is not there would be answered by
        the asker's own system."""
        known = {outside: _hardware_address(["ip"], self.bridge)}
        for name, address in self.addresses.items():
            known[address] = _hardware_address(["ip", "-n", self._space(name)], "eth0")
        for name, own in self.addresses.items():
            for address, hardware in known.items():
                if address != own:
                    command = ["ip", "-n", self._space(name), "neighbour", "replace", address]
                    run(*command, "lladdr", hardware, "dev", "eth0", "nud", "permanent")
        for address in self.addresses.values():
            command = ["ip", "neighbour", "replace", address, "lladdr", known[address]]
            run(*command, "dev", self.bridge, "nud", "permanent")

    def command(self, name: str) -> list[str]:
        """What runs a program on a host."""
        return ["ip", "netns", "exec", self._space(name)]

    def cut(self, name: str) -> None:
        """Nothing gets to a host or from it."""
        run("ip", "link", "set", self._link(name), "down")

    def mend(self, name: str) -> None:
        """The link works again."""
        run("ip", "link", "set", self._link(name), "up")

    def swallow(self, name: str) -> None:
        """What is sent to a host, and what it sends, vanishes: nobody is refused or told."""
        run("ip", "link", "set", self._link(name), "nomaster")

    def deliver(self, name: str) -> None:
        """The host is on the bridge again."""
        run("ip", "link", "set", self._link(name), "master", self.bridge)

    def close(self) -> None:
        for name in self.addresses:
            subprocess.run(["ip", "link", "delete", self._link(name)], capture_output=True)
            subprocess.run(["ip", "netns", "delete", self._space(name)], capture_output=True)
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True)
