"""The program: its commands, its sockets, its signals, its worker processes."""
