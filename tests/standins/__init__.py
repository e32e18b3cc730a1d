"""Stand-ins for the services the project talks to: real HTTP on loopback, with switches for faults."""
