//! Addresses that outlive the process that listens on them.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process,
    sync::atomic::{AtomicU16, Ordering},
};

/// Below the ports that Linux and macOS assign by themselves (32768 and above): while
/// nothing listens on such a port, no other test and no outgoing connection gets it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// An address to listen on, to stop, and to listen on again.
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
