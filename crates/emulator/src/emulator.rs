//! The handle of an emulator, which responds in process, without a socket.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::{
    control,
    service::{ConnectionClosed, Service},
    settings::Settings,
    shapes::{SettingsChange, Snapshot},
    wire::ResponseBody,
};

/// One emulated AWS account. Clones are cheap and share the account.
#[derive(Clone)]
pub struct Emulator(Arc<Service>);

impl Emulator {
    /// Returns an emulator of an empty account. `settings.listen` has no effect here.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Service::new(settings)))
    }

    /// Creates a stage and returns its ARN. The id is made from the name, so that
    /// documentation can contain it: the first stage `acme-studio` is
    /// `stage/AcmeStudio0001`. Characters other than ASCII letters, digits and `-` are
    /// dropped, and the name is cut after 64 characters. A reset keeps the stage.
    #[must_use]
    pub fn create_stage(&self, name: &str, tags: BTreeMap<String, String>) -> String {
        self.0.world().resources.create_named_stage(name, tags)
    }

    /// Returns all resources of the account.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        control::snapshot(&self.0.world())
    }

    /// Changes settings.
    ///
    /// # Errors
    /// The problem, if a rate is negative.
    pub fn change_settings(&self, change: &SettingsChange) -> Result<(), String> {
        control::apply(&mut self.0.world(), change)
    }

    /// Responds to one request of the API or of the control API. Requires a tokio runtime.
    /// Faults delay with tokio's timer, so a paused clock skips the delays.
    ///
    /// Under a `truncate` fault, `content-length` is greater than the length of the body.
    ///
    /// # Errors
    /// [`ConnectionClosed`] if a server would close the connection without a response: under
    /// a fault that drops the connection, or if the body of the request cannot be read.
    pub async fn respond<B>(
        &self,
        request: Request<B>,
    ) -> Result<Response<ResponseBody>, ConnectionClosed>
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        Arc::clone(&self.0).respond(request).await
    }
}
