//! The commands: their output at the start, and their errors.

use std::{fs, net::TcpListener};

use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use rusqlite::Connection;
use rustix::process::Signal;

use crate::support::{Finished, World};

/// Asserts that a command failed and that its error contains all these texts.
fn assert_fails(finished: &Finished, expected: &[&str]) {
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let errors = finished.stderr.lines().filter(|line| !line.starts_with('{'));
    let error = errors.collect::<Vec<_>>().join("\n");
    assert!(error.starts_with("error: "), "{error}");
    for text in expected {
        assert!(error.contains(text), "no {text:?} in: {error}");
    }
}

async fn serve_fails(world: &World, lines: &[&str], expected: &[&str]) {
    let file = world.configure(lines);
    let finished = world.run(&["serve", "--config", file.to_str().unwrap()], &[]).await;
    assert_fails(&finished, expected);
}

#[tokio::test]
async fn the_start_up_log_line_has_addresses_ledger_and_version() {
    let world = World::new();
    let line = world.gateway(&[]).await.log("serving").await;
    assert_eq!(line["upstream"], world.emulator.url());
    assert_eq!(line["ledger"], world.ledger().display().to_string());
    for port in ["listen", "admin_listen"] {
        let address = line[port].as_str().unwrap();
        assert!(address.starts_with("127.0.0.1:") && !address.ends_with(":0"), "{address}");
    }
    assert_eq!((&line["region"], &line["tls"]), (&"us-east-1".into(), &false.into()));
    assert_eq!(line["version"], env!("CARGO_PKG_VERSION"));
}

#[tokio::test]
async fn all_problems_of_a_file_are_reported_together() {
    let world = World::new();
    let mistakes = [
        "server.listen = 'localhost'",
        "server.max_message_bites = 1",
        "ledger.url = 'postgres://gateway:hunter2@db/ledger'",
        "tenants.acme.weight = 0",
    ];
    let expected = [
        "server.listen: is not an address",
        "server.max_message_bites: is not a known key; did you mean server.max_message_bytes?",
        "ledger.url",
        "tenants.acme.weight: is less than 1",
    ];
    serve_fails(&world, &mistakes, &expected).await;
    let file = world.path("gateway.toml");
    let checked = world.run(&["check-config", "--config", file.to_str().unwrap()], &[]).await;
    assert_fails(&checked, &expected);
    assert!(!checked.stderr.contains("hunter2"), "{}", checked.stderr);
    assert_eq!(checked.stdout, "");

    let absent = world.run(&["check-config", "--config", "/no/such/file"], &[]).await;
    assert_fails(&absent, &["/no/such/file", "cannot be read"]);
    let valid = world.configure(&[]);
    let checked = world.run(&["check-config", "--config", valid.to_str().unwrap()], &[]).await;
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stdout.ends_with("is valid; tenants named: 2; others are rejected\n"));
}

#[tokio::test]
async fn the_environment_overrides_the_file() {
    let world = World::new();
    let file = world.configure(&["tenants.acme.weight = 2"]);
    let check = ["check-config", "--config", file.to_str().unwrap()];
    let wrong = ("IVS_INGEST_GATEWAY__TENANTS__ACME__WEIGHT", "0");
    assert_fails(&world.run(&check, &[wrong]).await, &[wrong.0]);
    let default = ("IVS_INGEST_GATEWAY__TENANTS__DEFAULT__WEIGHT", "3");
    let checked = world.run(&check, &[default]).await;
    assert!(checked.stdout.contains("others use tenants.default"), "{checked:?}");
}

#[tokio::test]
async fn the_error_names_an_address_in_use() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for key in ["server.listen", "server.admin_listen"] {
        let line = format!("{key} = '{address}'");
        serve_fails(&world, &[&line], &[key, &address.to_string(), "free the address"]).await;
    }
}

#[tokio::test]
async fn the_error_names_an_unusable_ledger() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    serve_fails(&world, &[], &["ledger.url", "ledger.db", "in use by another gateway"]).await;
    gateway.stop().await;

    serve_fails(&world, &["ledger.url = 'sqlite:gateway.toml/ledger.db'"], &["ledger.url"]).await;
    fs::write(world.path("other.db"), "no database, but long enough to be read as one").unwrap();
    serve_fails(&world, &["ledger.url = 'sqlite:other.db'"], &["ledger.url", "other.db"]).await;
    Connection::open(world.ledger()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    serve_fails(&world, &[], &["ledger.url", "99"]).await;
}

#[tokio::test]
async fn the_error_for_a_missing_region_names_the_fix() {
    let world = World::new();
    let lines = ["upstream.region", "upstream.endpoint_url", "upstream.calls_per_second"];
    serve_fails(&world, &lines, &["upstream.region", "AWS_REGION"]).await;
}

#[tokio::test]
async fn the_error_names_an_invalid_log_filter() {
    let world = World::new();
    let file = world.configure(&[]);
    let serve = ["serve", "--config", file.to_str().unwrap()];
    assert_fails(&world.run(&serve, &[("RUST_LOG", "ivs=loud")]).await, &["RUST_LOG=ivs=loud"]);
}

#[tokio::test]
async fn the_region_may_come_from_the_environment() {
    let world = World::new();
    let lines = ["upstream.region", "upstream.endpoint_url", "upstream.calls_per_second"];
    let url = world.emulator.url();
    let variables = [("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL_IVS_REALTIME", &*url)];
    let gateway = world.gateway_in(&lines, &variables).await;
    assert_eq!(gateway.log("serving").await["upstream"], url);
    gateway.caller("acme").create_one().await.unwrap();
    assert_eq!(world.emulator.creates(), 1);
}

#[tokio::test]
async fn a_health_check_calls_the_admin_listener() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let admin = gateway.admin.to_string();
    let healthcheck = ["healthcheck", "--admin", &admin];
    let healthy = world.run(&healthcheck, &[]).await;
    assert_eq!((healthy.code, healthy.stderr.as_str()), (Some(0), ""));
    gateway.stop().await;
    assert_fails(&world.run(&healthcheck, &[]).await, &[&admin]);
}

#[tokio::test]
async fn the_emulator_runs_without_a_gateway() {
    let world = World::new();
    let emulator = world.start("emulator", &["emulator", "--listen=127.0.0.1:0"], &[]);
    let export = |line: &str| {
        let (_, rest) = line.split_once("AWS_ENDPOINT_URL_IVS_REALTIME=")?;
        rest.split(' ').next().map(str::to_owned)
    };
    let url = emulator.stdout().line("with the endpoint", export).await;
    let lines = [format!("upstream.endpoint_url = '{url}'")];
    let acme = world.gateway(&[&lines[0]]).await.caller("acme");
    let rejected = acme.create_one().await.unwrap_err();
    // The new emulator has no stages.
    assert_eq!(rejected.reason(), "STAGE_FORBIDDEN");
    emulator.signal(Signal::TERM);
    assert_eq!(emulator.finished().await.code, Some(0));
}

#[tokio::test]
async fn dev_listens_on_loopback_only() {
    let world = World::new();
    let dev = world.run(&["dev", "--listen=0.0.0.0:0"], &[]).await;
    assert_fails(&dev, &["--listen", "loopback"]);
}

#[tokio::test]
async fn dev_ignores_the_variables_of_a_real_gateway() {
    let world = World::new();
    let ledger = format!("sqlite://{}", world.ledger().display());
    let variables = [
        ("IVS_INGEST_GATEWAY__LEDGER__URL", &*ledger),
        ("IVS_INGEST_GATEWAY__SERVER__LISTEN", "0.0.0.0:0"),
        ("IVS_INGEST_GATEWAY__SERVER__PLAINTEXT", "allow"),
        ("IVS_INGEST_GATEWAY__IDENTITY__METADATA__ALLOW_REMOTE", "true"),
    ];
    let dev = world.dev_in(&variables).await;
    let serving = dev.process.log("serving").await;
    assert!(serving["listen"].as_str().unwrap().starts_with("127.0.0.1:"), "{serving}");
    assert!(!world.ledger().exists());
}

#[tokio::test]
async fn an_error_of_dev_names_the_option() {
    let world = World::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let free = ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"];
    for (index, option) in ["--listen", "--admin-listen"].into_iter().enumerate() {
        let taken = format!("{option}={address}");
        let mut arguments = vec!["dev", "--emulator-listen=127.0.0.1:0"];
        arguments.extend([&*taken, free[1 - index]]);
        let expected = format!("{option} {address}: cannot listen");
        assert_fails(&world.run(&arguments, &[]).await, &[&expected, "give another"]);
    }
}

#[tokio::test]
async fn dev_stops_when_its_terminal_closes() {
    let world = World::new();
    let dev = world.dev().await;
    dev.process.signal(Signal::HUP);
    assert_eq!(dev.process.finished().await.code, Some(0));
    assert_eq!(dev_folders(&world), 0);
}

/// Returns the number of temporary folders of `dev`.
fn dev_folders(world: &World) -> usize {
    let names = fs::read_dir(world.path(".")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().starts_with("ivs-ingest-gateway-dev-")).count()
}

#[tokio::test]
async fn dev_removes_its_folder_at_the_second_interrupt() {
    let world = World::new();
    let dev = world.dev().await;
    assert_eq!(dev_folders(&world), 1);
    // A create without a response from AWS keeps the drain from ending.
    let hold = Fault::new(FaultKind::Hold).on(Operation::CreateIngestConfiguration);
    dev.emulator().add_fault(&hold).unwrap();
    let acme = dev.caller("acme");
    let call = tokio::spawn(async move { acme.create_one().await });
    dev.wait_for_create().await;
    dev.process.signal(Signal::INT);
    dev.process.log("draining: running calls finish, new calls are rejected").await;
    dev.process.signal(Signal::INT);
    assert_eq!(dev.process.finished().await.code, Some(130));
    assert_eq!(dev_folders(&world), 0);
    call.await.unwrap().unwrap_err();
}

#[tokio::test]
async fn every_command_has_a_help_text() {
    let world = World::new();
    let help = world.run(&["--help"], &[]).await;
    assert_eq!(help.code, Some(0));
    let commands =
        ["serve", "dev", "emulator", "adopt", "check-config", "healthcheck", "completions", "man"];
    let manual = world.run(&["man"], &[]).await.stdout;
    for command in commands {
        let section = format!("COMMAND {}\"", command.to_uppercase());
        assert!(manual.contains(&section), "no {section} in: {manual}");
        assert!(help.stdout.contains(command), "{command} is not in: {}", help.stdout);
        let help = world.run(&[command, "--help"], &[]).await;
        assert_eq!(help.code, Some(0));
        assert!(help.stdout.contains("Usage: ivs-ingest-gateway"), "{}", help.stdout);
    }
}
