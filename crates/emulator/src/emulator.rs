//! The emulator as a handle, without a socket.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::{
    service::{ConnectionClosed, Service},
    settings::Settings,
    wire::ResponseBody,
};

/// One emulated account. Clones are cheap, and share the account.
#[derive(Clone)]
pub struct Emulator(Arc<Service>);

impl Emulator {
    /// An empty account. `settings.listen` has no effect here.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self(Arc::new(Service::new(settings)))
    }

    /// Creates a stage and returns its ARN. The id follows from the name (the first
    /// stage `acme-studio` is `stage/AcmeStudio0001`), so that documentation can name
    /// it, and the control API's reset keeps the stage. Characters that AWS does not
    /// allow in a name are dropped.
    #[must_use]
    pub fn create_stage(&self, name: &str, tags: BTreeMap<String, String>) -> String {
        self.0.world().resources.create_named_stage(name, tags)
    }

    /// Responds to one request of the API or of the control API, inside a tokio runtime.
    /// The delays of faults are tokio's, so a paused clock skips them.
    ///
    /// A `truncate` fault announces a longer body in `content-length` than the response
    /// has.
    ///
    /// # Errors
    /// [`ConnectionClosed`] where the server closes the connection without a response: for
    /// a fault, or when the request's body fails.
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
