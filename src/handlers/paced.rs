//! Access of the handlers to the pacers. Maps tenants to flows, and rejections to errors.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::CallContext;
use crate::{
    error::{Error, whole_milliseconds},
    ivs::{AwsOperation, CallError, Ivs},
    pacer::{Flow, FlowId, Pacer, Permit, Rejection, RejectionCause, Terms, Ticket},
    tenancy::{Limit, Tenant},
};

/// The shortest delay before a retry of a call that was rejected by a full queue.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(250);

/// The error of a paced call.
pub(super) enum ReadError {
    /// The pacer rejected the call, or its retry after AWS throttled it. AWS did not execute it.
    NotSent(Error),
    /// The call to AWS failed.
    Aws(CallError),
}

/// Returns the tenant's flow. `max_in_flight` of a tenant in shadow is not enforced.
pub(super) fn flow(tenant: &Tenant) -> Flow {
    let settings = &tenant.settings;
    let max_in_flight = if settings.shadow { u32::MAX } else { settings.max_in_flight };
    let terms = Terms { weight: settings.weight, max_queued: settings.max_queued, max_in_flight };
    Flow { id: FlowId::Caller(tenant.id.as_str().into()), terms }
}

/// Admits a call of the context's tenant.
///
/// # Errors
/// `TENANT_QUEUE_FULL` and `DEADLINE_TOO_SHORT`. If the tenant is in shadow, a full queue is
/// counted but admits the call.
pub(super) fn admit<O: AwsOperation>(
    context: &CallContext,
    pacer: &Pacer<O>,
) -> Result<Ticket<O>, Error> {
    let mut flow = flow(context.tenant());
    let rejection = match pacer.admit(&flow, context.deadline()) {
        Ok(ticket) => return Ok(ticket),
        Err(rejection) => rejection,
    };
    let in_shadow = context.tenant().settings.shadow;
    let rejection = if in_shadow && rejection.cause == RejectionCause::QueueFull {
        context.enforce(Limit::Queue, error::<O>(rejection))?;
        flow.terms.max_queued = u32::MAX;
        match pacer.admit(&flow, context.deadline()) {
            Ok(ticket) => return Ok(ticket),
            Err(rejection) => rejection,
        }
    } else {
        rejection
    };
    Err(rejected::<O>(context, rejection))
}

/// Waits for credentials, and for the ticket's permit.
///
/// # Errors
/// `CREDENTIALS_UNAVAILABLE`, and `DEADLINE_TOO_SHORT` if the response would arrive after the
/// deadline.
pub(super) async fn permit<O: AwsOperation>(
    ivs: &Ivs,
    context: &CallContext,
    ticket: Ticket<O>,
) -> Result<Permit<O>, Error> {
    let deadline = Instant::from_std(context.deadline());
    match timeout_at(deadline, ivs.ready()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return Err(Error::Aws(error.failure().clone())),
        Err(_) => return Err(Error::DeadlineExceeded { unfinished: None }),
    }
    ticket.permit().await.map_err(|rejection| rejected::<O>(context, rejection))
}

/// Returns a ticket for a call that AWS throttled. It is placed before the tenant's other
/// calls. Returns `None` if the response would arrive after the deadline.
pub(super) fn readmit<O: AwsOperation>(
    context: &CallContext,
    pacer: &Pacer<O>,
) -> Option<Ticket<O>> {
    pacer.readmit(&flow(context.tenant()), context.deadline()).ok()
}

/// Makes an idempotent call. Retries it if AWS throttles it, as long as the deadline allows.
///
/// # Errors
/// [`ReadError`].
async fn repeatable<O: AwsOperation, T, F>(
    ivs: &Ivs,
    context: &CallContext,
    pacer: &Pacer<O>,
    ticket: Ticket<O>,
    call: impl Fn(Permit<O>) -> F,
) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut ticket = ticket;
    loop {
        let error =
            match call(permit(ivs, context, ticket).await.map_err(ReadError::NotSent)?).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
        match error.is_throttled().then(|| readmit(context, pacer)).flatten() {
            Some(again) => ticket = again,
            None => return Err(ReadError::Aws(error)),
        }
    }
}

/// Admits a read, then makes it as [`repeatable`] does.
///
/// # Errors
/// [`ReadError`].
pub(super) async fn read<O: AwsOperation, T, F>(
    ivs: &Ivs,
    context: &CallContext,
    pacer: &Pacer<O>,
    call: impl Fn(Permit<O>) -> F,
) -> Result<T, ReadError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let ticket = admit(context, pacer).map_err(ReadError::NotSent)?;
    repeatable(ivs, context, pacer, ticket, call).await
}

/// Counts a rejection and returns its error. It also applies to a tenant in shadow, because
/// AWS's call rate is not a limit of the tenant.
fn rejected<O: AwsOperation>(context: &CallContext, rejection: Rejection) -> Error {
    let limit = match rejection.cause {
        RejectionCause::QueueFull => Limit::Queue,
        RejectionCause::DeadlineTooShort => Limit::Deadline,
    };
    let _ = context.tenant().exceeded(limit);
    error::<O>(rejection)
}

fn error<O: AwsOperation>(rejection: Rejection) -> Error {
    let Rejection { cause, predicted_wait } = rejection;
    let predicted_wait = whole_milliseconds(predicted_wait);
    match cause {
        RejectionCause::QueueFull => {
            // The queue may be full even if the predicted wait is close to 0.
            let retry_after = predicted_wait.max(MIN_RETRY_DELAY);
            Error::TenantQueueFull { operation: O::NAME, retry_after }
        }
        RejectionCause::DeadlineTooShort => {
            Error::DeadlineTooShort { operation: O::NAME, predicted_wait }
        }
    }
}
