"""A port is free, or its holder is named."""

from __future__ import annotations

import os
import socket

from labkit.ports import free_port, holder, is_free


def test_a_free_port_has_no_holder() -> None:
    """Nothing listens on a port that the system has just given."""
    port = free_port()
    assert is_free(port)
    assert holder(port) is None


def test_the_holder_of_a_port_is_named_with_its_process() -> None:
    """The learner learns what to stop."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        name = holder(server.getsockname()[1])
    assert name is not None
    assert name.endswith(f"(process {os.getpid()})")


def test_a_port_is_held_by_a_server_on_all_interfaces_too() -> None:
    """A server on 0.0.0.0 answers on 127.0.0.1 as well."""
    with socket.create_server(("0.0.0.0", 0)) as server:  # noqa: S104  # that is the case
        assert not is_free(server.getsockname()[1])


def test_a_port_is_free_again_after_a_connection_was_closed() -> None:
    """A connection that waits for late packets does not block a restart."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        connection, _ = server.accept()
        connection.close()
        client.close()
    assert is_free(port)


def test_the_first_free_of_the_preferred_ports_is_taken() -> None:
    """A taken port is passed over."""
    wanted = free_port()
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert free_port([server.getsockname()[1], wanted]) == wanted


def test_any_port_will_do_when_the_preferred_ones_are_taken() -> None:
    """A program starts rather than fails."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert is_free(free_port([server.getsockname()[1]]))
