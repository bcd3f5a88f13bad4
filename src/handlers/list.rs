//! `ListIngestConfigurations`: lists the tenant's configurations from the ledger, without an
//! AWS call.

use sha2::{Digest, Sha256};

use super::{CallContext, CallersConfiguration, Handlers, ledger_failed};
use crate::{
    error::Error,
    ledger::{Fields, Filter, Row},
    request::{IngestConfigurationState, ListIngestConfigurations, OperationId, Violation, reason},
    tenancy::TenantId,
};

/// Maximum size in bytes of the configurations of a page. gRPC clients accept 4 MiB by default.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

/// One page.
#[derive(Debug)]
pub struct Listed {
    /// The configurations, newest first.
    pub configurations: Vec<CallersConfiguration>,
    /// The token of the next page; `None` on the last page.
    pub next_page_token: Option<String>,
}

impl Handlers {
    /// Lists the tenant's configurations.
    ///
    /// # Errors
    /// `INVALID_FIELDS` if the token belongs to another list, and `LEDGER_UNAVAILABLE`.
    pub async fn list_ingest_configurations(
        &self,
        context: &CallContext,
        request: ListIngestConfigurations,
    ) -> Result<Listed, Error> {
        self.shared.require_complete()?;
        let tenant = context.tenant();
        let filter = Filter {
            stage_arn: request.stage_arn.map(|arn| arn.as_str().to_owned()),
            state: request.state,
        };
        let before = match &request.page_token {
            Some(token) => Some(parse_token(&tenant.id, &filter, token)?),
            None => None,
        };
        // One row more than the page: it exists only if there is a next page.
        let limit = request.page_size + 1;
        let rows = self.shared.ledger.list(tenant.id.clone(), filter.clone(), before, limit).await;
        let mut rows = rows.map_err(|error| ledger_failed(&error, "list"))?;
        let page_size = fitting(&rows).min(request.page_size as usize);
        let next_page_token = if rows.len() > page_size {
            rows.truncate(page_size);
            rows.last().map(|last| token(&tenant.id, &filter, last.operation_id))
        } else {
            None
        };
        let mut configurations = Vec::with_capacity(rows.len());
        for row in rows {
            configurations.push(self.basic(context, row));
        }
        Ok(Listed { configurations, next_page_token })
    }
}

/// Returns the number of rows that fit into a page, at least one.
fn fitting(rows: &[Row]) -> usize {
    let mut bytes = 0;
    let fits = rows.iter().take_while(|row| {
        bytes += message_bytes(row);
        bytes <= MAX_PAGE_BYTES
    });
    fits.count().max(1)
}

/// Returns an upper bound of the size of the row's message in bytes.
fn message_bytes(row: &Row) -> usize {
    /// The tags and lengths of all fields; ARNs, times, participant and endpoint.
    const FIXED: usize = 1024;
    /// The tags and lengths of an entry of a map.
    const ENTRY: usize = 16;
    let Fields { name, user_id, attributes, tags, .. } = &row.fields;
    let entries = attributes.iter().chain(tags);
    let entries: usize = entries.map(|(key, value)| key.len() + value.len() + ENTRY).sum();
    FIXED + name.len() + user_id.len() + entries
}

/// Returns a token: the id of the last row of a page, and a digest of the tenant and the
/// filter. It authorises nothing, because a list returns only rows of the caller's tenant.
fn token(tenant: &TenantId, filter: &Filter, last: OperationId) -> String {
    format!("{last}{}", digest(tenant, filter))
}

fn parse_token(tenant: &TenantId, filter: &Filter, token: &str) -> Result<OperationId, Error> {
    let last = token.get(..26).and_then(|id| OperationId::parse(id).ok());
    match (last, token.get(26..)) {
        (Some(last), Some(rest)) if rest == digest(tenant, filter) => Ok(last),
        _ => Err(Error::InvalidFields(
            Violation {
                field: "page_token".to_owned(),
                reason: reason::INVALID_FORMAT,
                description: "the token belongs to another list; send the next_page_token of the \
                              previous page with the same filters, or omit it to start again"
                    .to_owned(),
            }
            .into(),
        )),
    }
}

/// Returns the digest. Each part ends with a line feed, which no part contains.
fn digest(tenant: &TenantId, filter: &Filter) -> String {
    let Filter { stage_arn, state } = filter;
    let stage_arn = stage_arn.as_deref().unwrap_or_default();
    let state = state.map_or("", IngestConfigurationState::as_str);
    let whole = Sha256::digest(format!("{tenant}\n{stage_arn}\n{state}\n"));
    let first: [u8; 8] = std::array::from_fn(|index| whole[index]);
    format!("{:016x}", u64::from_be_bytes(first))
}
