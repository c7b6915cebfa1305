//! The log: lines on standard error, and spans for who collects them.

use crate::failure::Result;
use crate::settings::{LogFormat, OutputSettings};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// Kept as long as anything may be logged; dropped, what is still on its way is sent.
pub(crate) struct Log {
    #[cfg(feature = "otel")]
    _traces: Option<crate::traces::Traces>,
}

/// # Errors
/// Usage: spans are to be sent to what is no address.
#[cfg_attr(not(feature = "otel"), allow(clippy::unnecessary_wraps, reason = "with that feature it may fail"))]
pub(crate) fn start(settings: &OutputSettings, ansi: bool) -> Result<Log> {
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi).log_internal_errors(false);
    let lines = match settings.log_format.value {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Checked when the setting was read.
    let filter = settings.log.value.parse::<tracing_subscriber::EnvFilter>().unwrap_or_default();
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    {
        let traces = crate::traces::Traces::from_environment()?;
        subscriber.with(traces.as_ref().map(crate::traces::Traces::layer)).init();
        Ok(Log { _traces: traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        subscriber.init();
        Ok(Log {})
    }
}
