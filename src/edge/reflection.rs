//! The reflection service.

use tonic::service::Routes;

use crate::proto;

/// Reflection v1, and v1alpha for grpcurl up to 1.8.7. The descriptors of the
/// error details are registered too, or grpcurl prints them as base64.
pub(super) fn with_reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (v1, v1alpha) => {
            let error = v1.err().or(v1alpha.err());
            tracing::error!(?error, "reflection is disabled: its descriptors are invalid");
            routes
        }
    }
}
