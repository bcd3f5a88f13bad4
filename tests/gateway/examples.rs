//! The client programs of `docs/examples` in trouble: each keeps its `request_id`, and
//! ends with the one configuration that exists, and its key.

mod clients;

use std::net::SocketAddr;

use ivs_realtime_emulator::{Fault, FaultKind, Operation};

use self::clients::Clients;
use crate::support::{Nginx, World, free_address};

/// The deadline of an attempt that ends for another reason.
const LONG_MS: u64 = 20_000;

/// The code of a deadline, as each client prints it. tonic's channel returns CANCELLED for
/// one that it enforces itself.
const DEADLINE_CODES: [&str; 3] = ["DEADLINE_EXCEEDED", "DeadlineExceeded", "Cancelled"];

/// AWS executes one create of each client and holds back its response.
fn hold_creates(world: &World) {
    let hold = Fault::new(FaultKind::Hold).on(Operation::CreateIngestConfiguration);
    world.emulator.fault(&hold.times(clients::COUNT));
}

fn listen(address: SocketAddr) -> String {
    format!("server.listen = '{address}'")
}

#[tokio::test]
async fn a_restart_in_the_middle_of_a_create() {
    let world = World::new();
    world.emulator.show_immediately();
    let address = free_address();
    let gateway = world.gateway(&[&listen(address), "server.drain_timeout_ms = 300"]).await;
    hold_creates(&world);
    let clients = Clients::start(&world, address, LONG_MS).await;
    world.emulator.reached_by_creates(clients::COUNT).await;
    gateway.stop().await;
    clients.failed_once(&["no ErrorInfo"]).await;
    world.emulator.release();
    let _restarted = world.gateway(&[&listen(address)]).await;
    clients.have_one_configuration_each(&world).await;
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_create() {
    let world = World::new();
    world.emulator.show_immediately();
    let address = free_address();
    let gateway = world.gateway(&[&listen(address)]).await;
    hold_creates(&world);
    let clients = Clients::start(&world, address, LONG_MS).await;
    world.emulator.reached_by_creates(clients::COUNT).await;
    gateway.kill();
    clients.failed_once(&["no ErrorInfo"]).await;
    world.emulator.release();
    let _restarted = world.gateway(&[&listen(address)]).await;
    clients.have_one_configuration_each(&world).await;
}

/// nginx returns its own 502, first instead of any create and then in the middle of one.
#[tokio::test]
async fn a_502_of_nginx() {
    let world = World::new();
    world.emulator.show_immediately();
    let address = free_address();
    let nginx = Nginx::start(address).await;
    let clients = Clients::start(&world, nginx.address, LONG_MS).await;
    clients.failed_once(&["no ErrorInfo"]).await;
    nginx.returned_502(clients::COUNT).await;

    hold_creates(&world);
    let gateway = world.gateway(&[&listen(address)]).await;
    world.emulator.reached_by_creates(clients::COUNT).await;
    let before = nginx.count_of_502();
    gateway.kill();
    nginx.returned_502(before + clients::COUNT).await;
    world.emulator.release();
    let _restarted = world.gateway(&[&listen(address)]).await;
    clients.have_one_configuration_each(&world).await;
}

#[tokio::test]
async fn a_deadline_before_the_outcome() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    hold_creates(&world);
    let clients = Clients::start(&world, gateway.address, 1_000).await;
    world.emulator.reached_by_creates(clients::COUNT).await;
    clients.failed_once(&DEADLINE_CODES).await;
    world.emulator.release();
    clients.have_one_configuration_each(&world).await;
}
