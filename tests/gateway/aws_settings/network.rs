//! Proxies, roots of certificates and endpoints.

use ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest;
use rustix::process::Signal;

use super::NO_KEYS;
use crate::support::{Answer, Authority, Aws, Gateway, RecordingProxy, World, create};

/// The lines that leave the endpoint to the AWS conventions.
const AWS_ENDPOINT: [&str; 2] = ["upstream.endpoint_url", "upstream.calls_per_second"];

/// AWS behind a proxy, which a gateway reaches by the names of AWS's hosts.
struct Behind {
    world: World,
    aws: Aws,
    proxy: RecordingProxy,
    roots: String,
}

impl Behind {
    async fn new() -> Self {
        let world = World::new();
        let authority = Authority::new(&world);
        let aws = Aws::with_tls(&authority).await;
        let proxy = RecordingProxy::before(aws.address).await;
        let roots = authority.file.display().to_string();
        Self { world, aws, proxy, roots }
    }

    async fn gateway(&self, variables: &[(&str, &str)]) -> Gateway {
        let usual = [("HTTPS_PROXY", &*self.proxy.url), ("AWS_CA_BUNDLE", &*self.roots)];
        self.world.gateway_in(&AWS_ENDPOINT, &[&usual[..], variables].concat()).await
    }

    /// Makes a create, and asserts that it went to that host.
    async fn reaches(&self, host: &str, variables: &[(&str, &str)]) {
        let gateway = self.gateway(variables).await;
        gateway.caller("acme").create_one().await.unwrap();
        assert!(self.proxy.has_connected(host), "{host}");
        let [create] = &self.aws.creates()[..] else { panic!("{:?}", self.aws.creates()) };
        assert!(create.is_tls);
        assert_eq!(create.host, host);
        assert_eq!(gateway.log("serving").await["upstream"], format!("https://{host}"));
    }
}

#[tokio::test]
async fn the_proxy_for_https() {
    Behind::new().await.reaches("ivsrealtime.us-east-1.amazonaws.com", &[]).await;
}

/// Its password is not in the log.
#[tokio::test]
async fn a_proxy_with_a_password() {
    let behind = Behind::new().await;
    let url = behind.proxy.url.replace("://", "://gateway:hunter2@");
    let gateway = behind.gateway(&[("HTTPS_PROXY", &*url)]).await;
    gateway.caller("acme").create_one().await.unwrap();
    let heads = behind.proxy.requests();
    let authorization = "authorization: basic z2f0zxdhetpodw50zxiy";
    assert!(heads.iter().any(|head| head.to_lowercase().contains(authorization)), "{heads:?}");
    gateway.signal(Signal::TERM);
    let finished = gateway.finished().await;
    assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
}

#[tokio::test]
async fn a_proxy_with_tls() {
    let world = World::new();
    let authority = Authority::new(&world);
    let aws = Aws::with_tls(&authority).await;
    let proxy = RecordingProxy::with_tls(aws.address, &authority).await;
    let roots = authority.file.display().to_string();
    let variables = [("https_proxy", &*proxy.url), ("AWS_CA_BUNDLE", &*roots)];
    let gateway = world.gateway_in(&AWS_ENDPOINT, &variables).await;
    gateway.caller("acme").create_one().await.unwrap();
    assert!(proxy.has_connected("ivsrealtime.us-east-1.amazonaws.com"));
}

/// Nothing is sent, so nothing counts.
#[tokio::test]
async fn a_proxy_that_opens_no_tunnel() {
    let rejecting = Aws::with(|_| Some(Answer::foreign(407, "text/html", "<html></html>"))).await;
    for url in [rejecting.url(), "http://127.0.0.1:1".to_owned()] {
        let world = World::new();
        let gateway = world.gateway_in(&AWS_ENDPOINT, &[("HTTPS_PROXY", &*url)]).await;
        let request =
            CreateIngestConfigurationRequest { stage_arn: String::new(), ..create("acme") };
        let acme = gateway.caller("acme");
        let rejected = acme.create(request).await.unwrap_err();
        assert_eq!(rejected.reason(), "AWS_UNREACHABLE", "{url}: {rejected:?}");
        assert_eq!(acme.used().await, 0);
    }
}

#[tokio::test]
async fn a_fips_endpoint() {
    let host = "ivsrealtime-fips.us-east-1.amazonaws.com";
    Behind::new().await.reaches(host, &[("AWS_USE_FIPS_ENDPOINT", "true")]).await;
}

#[tokio::test]
async fn a_dual_stack_endpoint() {
    let host = "ivsrealtime.us-east-1.api.aws";
    Behind::new().await.reaches(host, &[("AWS_USE_DUALSTACK_ENDPOINT", "true")]).await;
}

#[tokio::test]
async fn fips_and_roots_of_a_profile() {
    let behind = Behind::new().await;
    let text = format!("[default]\nuse_fips_endpoint = true\nca_bundle = {}\n", behind.roots);
    let file = behind.world.profile(&text);
    let variables = [("AWS_CONFIG_FILE", &*file), ("AWS_CA_BUNDLE", "")];
    behind.reaches("ivsrealtime-fips.us-east-1.amazonaws.com", &variables).await;
}

/// STS gets the same proxy and the same roots.
#[tokio::test]
async fn the_proxy_for_credentials() {
    let behind = Behind::new().await;
    let file = behind.world.profile(
        "[default]\nrole_arn = arn:aws:iam::123456789012:role/gateway\nsource_profile = base\n\
         [profile base]\naws_access_key_id = BASE\naws_secret_access_key = secret\n",
    );
    let variables = [&NO_KEYS[..], &[("AWS_CONFIG_FILE", &*file)]].concat();
    behind.reaches("ivsrealtime.us-east-1.amazonaws.com", &variables).await;
    assert_eq!(behind.aws.creates()[0].key_id(), "ASSUMEDROLE");
    assert!(behind.proxy.has_connected("sts.us-east-1.amazonaws.com"));
}

#[tokio::test]
async fn the_proxy_for_http_and_the_hosts_without_one() {
    let (world, aws) = (World::new(), Aws::start().await);
    let proxy = RecordingProxy::before(aws.address).await;
    let line = ["upstream.endpoint_url = 'http://ivs.example'"];
    let gateway = world.gateway_in(&line, &[("HTTP_PROXY", &*proxy.url)]).await;
    gateway.caller("acme").create_one().await.unwrap();
    let first = proxy.requests().remove(0);
    assert!(first.starts_with("POST http://ivs.example/"), "{first}");
    gateway.stop().await;

    let before = proxy.requests().len();
    let variables = [("HTTP_PROXY", &*proxy.url), ("NO_PROXY", "other.example, *.example")];
    let gateway = world.gateway_in(&line, &variables).await;
    let rejected = gateway.caller("acme").create_one().await.unwrap_err();
    assert_eq!(rejected.reason(), "AWS_UNREACHABLE", "{rejected:?}");

    let world = World::new();
    let gateway = world.before(&aws, &[("HTTP_PROXY", &*proxy.url)]).await;
    gateway.caller("acme").create_one().await.unwrap();
    assert_eq!(proxy.requests().len(), before);
}

/// Without the roots nothing is sent.
#[tokio::test]
async fn the_roots_of_certificates() {
    for variable in ["AWS_CA_BUNDLE", "SSL_CERT_FILE"] {
        let world = World::new();
        let authority = Authority::new(&world);
        let aws = Aws::with_tls(&authority).await;
        let line = format!("upstream.endpoint_url = 'https://localhost:{}'", aws.address.port());
        let gateway = world.gateway_in(&[&line], &[]).await;
        let rejected = gateway.caller("acme").create_one().await.unwrap_err();
        assert_eq!(rejected.reason(), "AWS_UNREACHABLE", "{rejected:?}");
        gateway.stop().await;

        let roots = authority.file.display().to_string();
        let gateway = world.gateway_in(&[&line], &[(variable, &*roots)]).await;
        gateway.caller("acme").create_one().await.unwrap();
        assert!(aws.creates()[0].is_tls, "{variable}");
    }
}

/// Nothing is sent, so nothing counts.
#[tokio::test]
async fn a_host_that_does_not_exist() {
    let world = World::new();
    let line = "upstream.endpoint_url = 'http://no-such-host.invalid'";
    let acme = world.gateway_in(&[line], &[]).await.caller("acme");
    let rejected = acme.create(create("acme")).await.unwrap_err();
    assert_eq!(rejected.reason(), "AWS_UNREACHABLE", "{rejected:?}");
    assert_eq!(acme.used().await, 0);
}

#[tokio::test]
async fn the_endpoint_of_variables_and_profiles() {
    let aws = Aws::start().await;
    let (url, none) = (aws.url(), "http://127.0.0.1:1");
    let services = format!(
        "[default]\nservices = local\n[services local]\nivs_realtime =\n  endpoint_url = {url}\n"
    );
    let of_profile = format!("[default]\nendpoint_url = {url}\n");
    for (text, variables) in [
        ("", vec![("AWS_ENDPOINT_URL_IVS_REALTIME", &*url), ("AWS_ENDPOINT_URL", none)]),
        ("", vec![("AWS_ENDPOINT_URL", &*url)]),
        ("", vec![("AWS_ENDPOINT_URL_IVS_REALTIME", ""), ("AWS_ENDPOINT_URL", &*url)]),
        (&*services, vec![]),
        (&*of_profile, vec![]),
    ] {
        let world = World::new();
        let file = world.profile(text);
        let variables = [&[("AWS_CONFIG_FILE", &*file)], &variables[..]].concat();
        let gateway = world.gateway_in(&AWS_ENDPOINT, &variables).await;
        assert_eq!(gateway.log("serving").await["upstream"], url, "{text} {variables:?}");
        let before = aws.creates().len();
        gateway.caller("acme").create_one().await.unwrap();
        assert_eq!(aws.creates().len(), before + 1, "{text} {variables:?}");
    }
}
