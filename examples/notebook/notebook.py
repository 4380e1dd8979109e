"""Who sends UDP to this host, and how long are the packets? Two questions, one after the other, to live traffic.

Run the cells one by one in an editor that knows ``# %%``, as root, or all of them in namespaces of their own:
``scripts/isolated .venv/bin/python examples/notebook/notebook.py``.
"""

# %% A host to talk to: a network namespace, joined to this one by a cable whose end here is note0.
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from dynmon import Monitor

HERE = Path(__file__).parent
PEER = ("ip", "netns", "exec", "notebook")


def run(command: str, *more: str) -> None:
    """Run a command that has to succeed."""
    subprocess.run([*command.split(), *more], check=True, stdout=subprocess.DEVNULL)


run("ip netns add notebook")
run("ip link add note0 type veth peer name eth0 netns notebook")
run("ip addr add 10.78.0.1/24 dev note0")
run("ip link set note0 up")
run("ip -n notebook addr add 10.78.0.2/24 dev eth0")
run("ip -n notebook addr add 10.78.0.3/24 dev eth0")
run("ip -n notebook link set eth0 up")
run("ip netns exec notebook ping -c 1 10.78.0.1")  # the two know each other's MAC addresses from here on


def send(source: str, port: int, packets: int, size: int) -> None:
    """From the other host: UDP packets with `size` bytes in them."""
    code = f"""
import socket
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(("{source}", 0))
for _ in range({packets}):
    udp.sendto(bytes({size}), ("10.78.0.1", {port}))
"""
    run(" ".join(PEER), sys.executable, "-c", code)


# %% The first question. From here on the code sees every packet; without a list of metrics every map is one.
monitor = Monitor("note0", HERE / "senders.c").open()
print(monitor)

# %% Some traffic.
send("10.78.0.2", 53, packets=30, size=40)
send("10.78.0.2", 123, packets=12, size=48)
send("10.78.0.3", 443, packets=500, size=1200)

# %% The map as a numpy array: a row for each entry, structs as columns of columns.
senders = monitor.read("SENDERS")
print(senders.dtype["value"])
print(senders["value"]["packets"].sum(), "packets,", senders["value"]["bytes"].sum(), "bytes")

# %% The same as a table, the busiest sender first.
for key, value in senders[np.argsort(senders["value"]["bytes"])[::-1]]:
    address = socket.inet_ntoa(key["address"].tobytes())
    print(f"{address} to port {key['port']:<3} {value['packets']:>5} packets {value['bytes']:>8} bytes")

# %% Another question, without losing a packet in between.
monitor.inject(HERE / "sizes.c")
send("10.78.0.2", 53, packets=30, size=20)
send("10.78.0.3", 443, packets=200, size=1200)

# %% A per-CPU map has a column for each CPU.
sizes = monitor.read("SIZES")
for bucket, packets in enumerate(sizes["value"].sum(axis=1)):
    if packets:
        print(f"up to {64 << bucket:>4} bytes: {packets:>3} {'#' * int(packets // 10)}")

# %% The end: the interface is as it was before.
monitor.close()
print(monitor)
run("ip link del note0")
run("ip netns del notebook")
