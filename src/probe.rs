//! Real TCP, ICMP, SSH and RDP handshakes; typed outcomes turned into readings.
