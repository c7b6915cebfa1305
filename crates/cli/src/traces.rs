//! Spans over OTLP, in protobuf over HTTP, as OpenTelemetry's own variables say: `OTEL_EXPORTER_OTLP_ENDPOINT` and its like.

use crate::failure::{Failure, Result};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::LookupSpan;

const VARIABLES: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Sends spans in the background.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// `None` where nobody says where to.
    ///
    /// # Errors
    /// Usage: the variables name no address.
    pub(crate) fn from_environment() -> Result<Option<Self>> {
        if VARIABLES.iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
            return Ok(None);
        }
        let exporter = SpanExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| {
            Failure::usage(format!("cannot send traces: {error}"))
                .hint(format!("`{}` is the collector's address, such as http://127.0.0.1:4318", VARIABLES[0]))
        })?;
        let resource = Resource::builder().with_service_name("ream").build();
        Ok(Some(Self(
            SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build(),
        )))
    }

    /// Takes the spans of requests; those of the sending itself would never end.
    pub(crate) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        let requests = Targets::new().with_target("ream_server", Level::INFO);
        tracing_opentelemetry::layer().with_tracer(self.0.tracer("ream")).with_filter(requests)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // What cannot be sent now is lost, as it may be at any time.
        let _ = self.0.shutdown();
    }
}
