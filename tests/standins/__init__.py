"""Stand-ins for the outside services the project talks to: real HTTP on loopback, with switches for faults."""
