use aws_credential_types::Credentials;
use ivs_realtime_emulator::{Background, Settings};

use super::*;

/// Otherwise the gateway would serve without its resolver, and appear to be ready.
#[tokio::test]
async fn the_end_of_a_background_task_ends_the_gateway() {
    let emulator = Background::start(Settings::for_tests()).unwrap();
    for task in ["pacers", "resolver", "delete resolver", "scan"] {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            r#"
            [server]
            listen = "127.0.0.1:0"
            admin_listen = "off"
            [upstream]
            region = "us-east-1"
            endpoint_url = "{}"
            [ledger]
            url = "sqlite://{}"
            [identity.metadata]
            enabled = true
            [tenants.acme]
            "#,
            emulator.url(),
            folder.path().join("ledger.db").display()
        );
        let config = Config::parse(&text, "the configuration of a test", []).unwrap();
        let credentials = Credentials::new("emulator", "emulator", None, None, "test");
        let credentials = SharedCredentialsProvider::new(credentials);
        let mut gateway = Gateway::start(config, Some(credentials)).await.unwrap();
        gateway.core.plant_panic(task);
        let error = gateway.serve(CancellationToken::new()).await.unwrap_err();
        assert!(matches!(error, ServeError::TaskEnded(ended) if ended == task), "{error}");
    }
}
