"""Sockets: include/linux/socket.h, include/uapi/asm-generic/socket.h, include/uapi/linux/in.h."""

from __future__ import annotations

from youcpu.abi.names import NameTable, named

_FAMILIES = (
    "UNSPEC UNIX INET AX25 IPX APPLETALK NETROM BRIDGE ATMPVC X25 INET6 ROSE DECnet NETBEUI"
    " SECURITY KEY NETLINK PACKET ASH ECONET ATMSVC RDS SNA IRDA PPPOX WANPIPE LLC IB MPLS CAN"
    " TIPC BLUETOOTH IUCV RXRPC ISDN PHONET IEEE802154 CAIF ALG NFC VSOCK KCM QIPCRTR SMC XDP"
    " MCTP"
)

AF_UNSPEC = 0
AF_UNIX = 1
AF_INET = 2
AF_INET6 = 10
AF_NETLINK = 16
AF_PACKET = 17

SOCK_STREAM = 1
SOCK_DGRAM = 2
SOCK_RAW = 3
SOCK_RDM = 4
SOCK_SEQPACKET = 5
SOCK_DCCP = 6
SOCK_PACKET = 10
SOCK_TYPE_MASK = 0xF
SOCK_CLOEXEC = 0o2000000
SOCK_NONBLOCK = 0o4000

IPPROTO_IP = 0
IPPROTO_ICMP = 1
IPPROTO_TCP = 6
IPPROTO_UDP = 17
IPPROTO_IPV6 = 41
IPPROTO_ICMPV6 = 58
IPPROTO_RAW = 255

SHUT_RD = 0
SHUT_WR = 1
SHUT_RDWR = 2

SOL_SOCKET = 1
SO_DEBUG, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST = 1, 2, 3, 4, 5, 6
SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_PRIORITY, SO_LINGER = 7, 8, 9, 10, 12, 13
SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT = 15, 16, 17, 18
SO_RCVTIMEO, SO_SNDTIMEO, SO_ACCEPTCONN, SO_PROTOCOL, SO_DOMAIN = 20, 21, 30, 38, 39
SO_SNDBUFFORCE, SO_RCVBUFFORCE = 32, 33
IPV6_V6ONLY = 26

AF_NAMES = NameTable(
    "AF_???", [(f"AF_{name}", value) for value, name in enumerate(_FAMILIES.split())]
)
SOCK_NAMES = named(
    globals(),
    "SOCK_???",
    "SOCK_STREAM SOCK_DGRAM SOCK_RAW SOCK_RDM SOCK_SEQPACKET SOCK_DCCP SOCK_PACKET",
)
SOCK_FLAG_NAMES = named(globals(), "SOCK_???", "SOCK_CLOEXEC SOCK_NONBLOCK")
IPPROTO_NAMES = named(
    globals(),
    "IPPROTO_???",
    "IPPROTO_IP IPPROTO_ICMP IPPROTO_TCP IPPROTO_UDP IPPROTO_IPV6 IPPROTO_ICMPV6 IPPROTO_RAW",
)
NETLINK_NAMES = NameTable(
    "NETLINK_???",
    [
        ("NETLINK_ROUTE", 0),
        ("NETLINK_USERSOCK", 2),
        ("NETLINK_FIREWALL", 3),
        ("NETLINK_SOCK_DIAG", 4),
        ("NETLINK_NFLOG", 5),
        ("NETLINK_XFRM", 6),
        ("NETLINK_SELINUX", 7),
        ("NETLINK_ISCSI", 8),
        ("NETLINK_AUDIT", 9),
        ("NETLINK_FIB_LOOKUP", 10),
        ("NETLINK_CONNECTOR", 11),
        ("NETLINK_NETFILTER", 12),
        ("NETLINK_IP6_FW", 13),
        ("NETLINK_DNRTMSG", 14),
        ("NETLINK_KOBJECT_UEVENT", 15),
        ("NETLINK_GENERIC", 16),
        ("NETLINK_SCSITRANSPORT", 18),
        ("NETLINK_ECRYPTFS", 19),
        ("NETLINK_RDMA", 20),
        ("NETLINK_CRYPTO", 21),
        ("NETLINK_SMC", 22),
    ],
)
ETH_P_NAMES = NameTable(
    "ETH_P_???",
    [("ETH_P_ALL", 3), ("ETH_P_IP", 0x800), ("ETH_P_ARP", 0x806), ("ETH_P_IPV6", 0x86DD)],
)
SHUT_NAMES = named(globals(), "SHUT_???", "SHUT_RD SHUT_WR SHUT_RDWR")
MSG_NAMES = NameTable(
    "MSG_???",
    [
        ("MSG_OOB", 0x1),
        ("MSG_PEEK", 0x2),
        ("MSG_DONTROUTE", 0x4),
        ("MSG_CTRUNC", 0x8),
        ("MSG_PROBE", 0x10),
        ("MSG_TRUNC", 0x20),
        ("MSG_DONTWAIT", 0x40),
        ("MSG_EOR", 0x80),
        ("MSG_WAITALL", 0x100),
        ("MSG_FIN", 0x200),
        ("MSG_SYN", 0x400),
        ("MSG_CONFIRM", 0x800),
        ("MSG_RST", 0x1000),
        ("MSG_ERRQUEUE", 0x2000),
        ("MSG_NOSIGNAL", 0x4000),
        ("MSG_MORE", 0x8000),
        ("MSG_WAITFORONE", 0x10000),
        ("MSG_SENDPAGE_NOTLAST", 0x20000),
        ("MSG_BATCH", 0x40000),
        ("MSG_NO_SHARED_FRAGS", 0x80000),
        ("MSG_ZEROCOPY", 0x4000000),
        ("MSG_FASTOPEN", 0x20000000),
        ("MSG_CMSG_CLOEXEC", 0x40000000),
        ("MSG_CMSG_COMPAT", 0x80000000),
    ],
)
SOL_NAMES = NameTable(
    "SOL_???",
    [
        ("SOL_IP", 0),
        ("SOL_SOCKET", 1),
        ("SOL_TCP", 6),
        ("SOL_UDP", 17),
        ("SOL_IPV6", 41),
        ("SOL_ICMPV6", 58),
        ("SOL_RAW", 255),
        ("SOL_PACKET", 263),
        ("SOL_NETLINK", 270),
    ],
)
_SO = (
    "DEBUG REUSEADDR TYPE ERROR DONTROUTE BROADCAST SNDBUF RCVBUF KEEPALIVE OOBINLINE NO_CHECK"
    " PRIORITY LINGER BSDCOMPAT REUSEPORT PASSCRED PEERCRED RCVLOWAT SNDLOWAT RCVTIMEO_OLD"
    " SNDTIMEO_OLD"
)
SO_NAMES = NameTable(
    "SO_???",
    [
        *((f"SO_{name}", value) for value, name in enumerate(_SO.split(), 1)),
        ("SO_BINDTODEVICE", 25),
        ("SO_ATTACH_FILTER", 26),
        ("SO_DETACH_FILTER", 27),
        ("SO_PEERNAME", 28),
        ("SO_TIMESTAMP_OLD", 29),
        ("SO_ACCEPTCONN", 30),
        ("SO_PEERSEC", 31),
        ("SO_SNDBUFFORCE", 32),
        ("SO_RCVBUFFORCE", 33),
        ("SO_PASSSEC", 34),
        ("SO_MARK", 36),
        ("SO_PROTOCOL", 38),
        ("SO_DOMAIN", 39),
    ],
)
