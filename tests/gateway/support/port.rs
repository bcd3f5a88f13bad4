//! Addresses that stay free after the process that listened on them has ended.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// The range of ports is below those that Linux and macOS assign (32768 and above). So no
/// outgoing connection and no other test takes a port while no process listens on it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Returns an address on which a process can listen, stop, and listen again.
pub(crate) fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run concurrently begin at different ports.
    let first = u16::try_from(process::id() * 97 % u32::from(COUNT)).unwrap();
    loop {
        let offset = (first + NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + offset));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
