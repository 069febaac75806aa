"""A second opinion on STAMP: packets built and read by scapy, tags by Python's hmac.

    stamp_scapy.py reflector HOST PORT [KEY]      answers until killed; says "ready"
    stamp_scapy.py sender HOST PORT COUNT [KEY]   asks COUNT times; prints a JSON object

KEY is hexadecimal; with it the authenticated mode (RFC 8762 sections 4.2.2 and 4.3.2), which scapy does
not have, in layouts of our own making. Loopback only.
"""

import hashlib
import hmac
import json
import socket
import sys
import time

from scapy.contrib.stamp import (
    ErrorEstimate,
    STAMPSessionReflectorTestUnauthenticated as OpenReply,
    STAMPSessionSenderTestUnauthenticated as OpenRequest,
)
from scapy.fields import ByteField, LongField, NBytesField, PacketField, ShortField, IntField
from scapy.packet import Packet

SIGNED = 96
EPOCH = 2208988800
IP_RECVTTL = 12  # of Linux; Python has no name for it


class SignedRequest(Packet):
    fields_desc = [
        IntField("seq", 0),
        NBytesField("mbz1", 0, 12),
        LongField("ts", 0),
        PacketField("err_estimate", ErrorEstimate(), ErrorEstimate),
        ShortField("ssid", 0),
        NBytesField("mbz2", 0, 68),
    ]


class SignedReply(Packet):
    fields_desc = [
        IntField("seq", 0),
        NBytesField("mbz1", 0, 12),
        LongField("ts", 0),
        PacketField("err_estimate", ErrorEstimate(), ErrorEstimate),
        ShortField("ssid", 0),
        NBytesField("mbz2", 0, 4),
        LongField("ts_rx", 0),
        NBytesField("mbz3", 0, 8),
        IntField("seq_sender", 0),
        NBytesField("mbz4", 0, 12),
        LongField("ts_sender", 0),
        PacketField("err_estimate_sender", ErrorEstimate(), ErrorEstimate),
        NBytesField("mbz5", 0, 6),
        ByteField("ttl_sender", 0),
        NBytesField("mbz6", 0, 15),
    ]


def ntp(seconds):
    whole = int(seconds)
    return (whole + EPOCH) << 32 | int((seconds - whole) * 2**32)


def tag(key, data):
    return hmac.new(key, data[:SIGNED], hashlib.sha256).digest()[:16]


def build(packet, key):
    data = bytes(packet)
    return data + tag(key, data) if key else data


def read(kind, data, key):
    """The packet, or None if its tag is wrong."""
    if key:
        if len(data) < SIGNED + 16 or not hmac.compare_digest(data[96:112], tag(key, data)):
            return None
        data = data[:SIGNED]
    return kind(data)


def udp(host):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    else:
        udp.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    return udp


def reflector(host, port, key=None):
    request_kind, reply_kind = (SignedRequest, SignedReply) if key else (OpenRequest, OpenReply)
    sock = udp(host)
    sock.bind((host, port))
    print("ready", flush=True)
    number = 0
    while True:
        data, control, _, source = sock.recvmsg(2048, 128)
        received = ntp(time.time())
        request = read(request_kind, data, key)
        if request is None:
            continue
        ttl = int.from_bytes(control[0][2][:4], sys.byteorder)
        reply = reply_kind(seq=number, ssid=request.ssid, ttl_sender=ttl)
        reply.err_estimate = ErrorEstimate(S=1, Z=0, scale=0, multiplier=1)
        reply.seq_sender = request.seq
        reply.err_estimate_sender = request.err_estimate
        # Raw fields: timestamps must come back bit by bit.
        reply.fields["ts_sender"] = request.fields["ts"]
        reply.fields["ts_rx"] = received
        reply.fields["ts"] = ntp(time.time())
        sock.sendto(build(reply, key), source)
        number += 1


def sender(host, port, count, key=None):
    request_kind, reply_kind = (SignedRequest, SignedReply) if key else (OpenRequest, OpenReply)
    sock = udp(host)
    sock.settimeout(2)
    complaints = []
    for seq in range(count):
        request = request_kind(seq=seq + 100, ssid=42)
        request.err_estimate = ErrorEstimate(S=1, Z=0, scale=3, multiplier=9)
        request.fields["ts"] = ntp(time.time())
        sock.sendto(build(request, key), (host, port))
        data = sock.recv(2048)
        reply = read(reply_kind, data, key)
        expected = 112 if key else 44
        if reply is None or len(data) != expected:
            complaints.append(f"{seq}: {len(data)} octets, tag {'wrong' if reply is None else 'right'}")
            continue
        estimate = reply.err_estimate_sender
        checks = {
            "number of the reply": reply.seq == seq,
            "number of the request": reply.seq_sender == seq + 100,
            "session": reply.ssid == 42,
            "timestamp of the request": reply.fields["ts_sender"] == request.fields["ts"],
            "its error estimate": (estimate.S, estimate.scale, estimate.multiplier) == (1, 3, 9),
            "ttl": reply.ttl_sender == 64,
            "order of the times": request.fields["ts"] <= reply.fields["ts_rx"] + (1 << 22)
            and reply.fields["ts_rx"] <= reply.fields["ts"],
            "reserved octets": all(v == 0 for k, v in reply.fields.items() if k.startswith("mbz")),
        }
        complaints += [f"{seq}: {what}" for what, right in checks.items() if not right]
    print(json.dumps({"asked": count, "complaints": complaints}))


def main():
    role, host, port, *rest = sys.argv[1:]
    if role == "reflector":
        reflector(host, int(port), *map(bytes.fromhex, rest))
    else:
        sender(host, int(port), int(rest[0]), *map(bytes.fromhex, rest[1:]))


main()
