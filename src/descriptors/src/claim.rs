//! Descriptors that came to a program unseen: connections that it has accepted.

use std::net::SocketAddr;

use rustix::net::{SocketAddrAny, getsockname, sockopt};

use crate::number;

/// Whether `number` is a connection that one of `owned`, which are the program's, has accepted: it has the name of what listens.
#[must_use]
pub fn is_accepted(number: i32, owned: &[i32]) -> bool {
    let Some(name) = bound_name(number) else {
        return false;
    };
    owned.iter().any(|listener| {
        let listens = number::borrow(*listener)
            .is_some_and(|it| sockopt::socket_acceptconn(it).unwrap_or(false));
        listens && bound_name(*listener).is_some_and(|other| is_same(&name, &other))
    })
}

/// The name of a socket, if it has one.
fn bound_name(number: i32) -> Option<SocketAddrAny> {
    getsockname(number::borrow(number)?).ok()
}

fn is_same(accepted: &SocketAddrAny, listener: &SocketAddrAny) -> bool {
    let internet = |name: &SocketAddrAny| SocketAddr::try_from(name.clone()).ok();
    match (internet(accepted), internet(listener)) {
        // One that listens at all addresses accepts at each.
        (Some(accepted), Some(listener)) => accepted.port() == listener.port(),
        (None, None) => accepted == listener,
        _ => false,
    }
}
