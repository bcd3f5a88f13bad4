//! A real nginx between a client and the gateway.

use std::{cell::Cell, fs, net::SocketAddr, time::Duration};

use tempfile::TempDir;
use tokio::{net::TcpStream, time};

use super::{Process, TIMEOUT, free_address, tools};

/// Interval between attempts to connect.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    process: Process,
    _folder: TempDir,
}

impl Nginx {
    /// Starts nginx in front of an address, and waits until nginx accepts connections. No
    /// process needs to listen on the upstream address yet.
    pub(crate) async fn start(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration(address, upstream)).unwrap();
        let mut command = tools::nginx();
        command.arg("-p").arg(folder.path()).arg("-c").arg(file).args(["-e", "stderr"]);
        let process = Process::start("nginx", &mut command);
        let connects = async {
            while TcpStream::connect(address).await.is_err() {
                time::sleep(PAUSE).await;
            }
        };
        let listens = time::timeout(TIMEOUT, connects).await.is_ok();
        assert!(listens, "nginx does not listen:\n{}", process.stderr().text());
        Self { address, process, _folder: folder }
    }

    /// Returns the number of 502 responses that nginx returned instead of the gateway.
    pub(crate) fn count_of_502(&self) -> u64 {
        let text = self.process.stdout().text();
        text.lines().filter(|line| *line == "502").count().try_into().unwrap()
    }

    /// Waits until nginx has returned `count` responses with status 502.
    pub(crate) async fn wait_for_502(&self, count: u64) {
        let seen = Cell::new(0);
        let last = |line: &str| {
            seen.set(seen.get() + u64::from(line == "502"));
            (seen.get() == count).then_some(())
        };
        self.process.stdout().line(&format!("number {count} of 502"), last).await;
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// Returns the configuration of nginx. All files are in the folder that `-p` names. Each line
/// of the access log is a status.
fn configuration(address: SocketAddr, upstream: SocketAddr) -> String {
    format!(
        "daemon off;
         master_process off;
         pid nginx.pid;
         events {{}}
         http {{
             log_format status '$status';
             access_log /dev/stdout status;
             client_body_temp_path body;
             proxy_temp_path proxy;
             fastcgi_temp_path fastcgi;
             uwsgi_temp_path uwsgi;
             scgi_temp_path scgi;
             server {{
                 listen {address} http2;
                 location / {{ grpc_pass grpc://{upstream}; }}
             }}
         }}
        "
    )
}
