//! The client programs of `docs/examples` under faults. Each repeats its create with the same
//! `request_id`, and must end with the one configuration that exists and its stream key.

mod clients;

use std::net::SocketAddr;

use ivs_realtime_emulator::{Fault, FaultKind, Operation};

use self::clients::Clients;
use crate::support::{Nginx, World, free_address};

/// A deadline that no attempt of these tests reaches.
const LONG_MS: u64 = 20_000;

/// The code of an exceeded deadline, as each client prints it. tonic's channel returns
/// CANCELLED for a deadline that it enforces itself.
const DEADLINE_CODES: [&str; 3] = ["DEADLINE_EXCEEDED", "DeadlineExceeded", "Cancelled"];

/// Lets the emulator carry out one create per client and delay its response.
fn hold_creates(world: &World) {
    let hold = Fault::new(FaultKind::Hold).on(Operation::CreateIngestConfiguration);
    world.emulator.fault(&hold.times(clients::COUNT));
}

fn listen(address: SocketAddr) -> String {
    format!("server.listen = '{address}'")
}

#[tokio::test]
async fn clients_survive_a_restart_during_a_create() {
    let world = World::new();
    world.emulator.list_immediately();
    let address = free_address();
    let gateway = world.gateway(&[&listen(address), "server.drain_timeout_ms = 300"]).await;
    hold_creates(&world);
    let clients = Clients::start(&world, address, LONG_MS).await;
    world.emulator.wait_for_creates(clients::COUNT).await;
    gateway.stop().await;
    clients.failed_once(&["no ErrorInfo"]).await;
    world.emulator.release();
    let _restarted = world.gateway(&[&listen(address)]).await;
    clients.have_one_configuration_each(&world).await;
}

#[tokio::test]
async fn clients_survive_a_kill_during_a_create() {
    let world = World::new();
    world.emulator.list_immediately();
    let address = free_address();
    let gateway = world.gateway(&[&listen(address)]).await;
    hold_creates(&world);
    let clients = Clients::start(&world, address, LONG_MS).await;
    world.emulator.wait_for_creates(clients::COUNT).await;
    gateway.kill();
    clients.failed_once(&["no ErrorInfo"]).await;
    world.emulator.release();
    let _restarted = world.gateway(&[&listen(address)]).await;
    clients.have_one_configuration_each(&world).await;
}

/// nginx itself returns a 502, first before any create, and then during a create.
#[tokio::test]
async fn clients_survive_a_502_of_nginx() {
    let world = World::new();
    world.emulator.list_immediately();
    let address = free_address();
    let nginx = Nginx::start(address).await;
    let clients = Clients::start(&world, nginx.address, LONG_MS).await;
    clients.failed_once(&["no ErrorInfo"]).await;
    nginx.wait_for_502(clients::COUNT).await;

    hold_creates(&world);
    let gateway = world.gateway(&[&listen(address)]).await;
    world.emulator.wait_for_creates(clients::COUNT).await;
    let before = nginx.count_of_502();
    gateway.kill();
    nginx.wait_for_502(before + clients::COUNT).await;
    world.emulator.release();
    let _restarted = world.gateway(&[&listen(address)]).await;
    clients.have_one_configuration_each(&world).await;
}

#[tokio::test]
async fn clients_survive_a_deadline_before_the_outcome() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    hold_creates(&world);
    let clients = Clients::start(&world, gateway.address, 1_000).await;
    world.emulator.wait_for_creates(clients::COUNT).await;
    clients.failed_once(&DEADLINE_CODES).await;
    world.emulator.release();
    clients.have_one_configuration_each(&world).await;
}

#[tokio::test]
async fn clients_print_the_invalid_fields() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let clients = Clients::start_on(&world, gateway.address, "no-arn").await;
    let problem = "stage_arn: the value of 6 characters is not of the form \
                   arn:aws:ivs:REGION:ACCOUNT:stage/ID; copy the complete ARN unchanged";
    clients.have_failed_with(problem).await;
}
