//! The names of everything that is sent: OpenTelemetry's semantic conventions 1.37 for messaging, functions
//! (faas), CloudEvents, HTTP and exceptions, and what is this project's own. Each name stands here and in
//! the golden test, and nowhere else: renaming one breaks somebody's query.

/// The conventions' version, as collectors are told.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.37.0";

// Resource.
pub const SERVICE_NAME: &str = "service.name";
pub const SERVICE_VERSION: &str = "service.version";
pub const SERVICE_INSTANCE_ID: &str = "service.instance.id";

// Messaging.
pub const MESSAGING_SYSTEM: &str = "messaging.system";
pub const MESSAGING_OPERATION_NAME: &str = "messaging.operation.name";
pub const MESSAGING_OPERATION_TYPE: &str = "messaging.operation.type";
pub const MESSAGING_DESTINATION_NAME: &str = "messaging.destination.name";
pub const MESSAGING_MESSAGE_ID: &str = "messaging.message.id";
pub const MESSAGING_BATCH_MESSAGE_COUNT: &str = "messaging.batch.message_count";

// Functions.
pub const FAAS_NAME: &str = "faas.name";
pub const FAAS_VERSION: &str = "faas.version";
pub const FAAS_TRIGGER: &str = "faas.trigger";
pub const FAAS_INVOCATION_ID: &str = "faas.invocation_id";

// CloudEvents.
pub const CLOUDEVENTS_EVENT_ID: &str = "cloudevents.event_id";
pub const CLOUDEVENTS_EVENT_SOURCE: &str = "cloudevents.event_source";
pub const CLOUDEVENTS_EVENT_TYPE: &str = "cloudevents.event_type";
pub const CLOUDEVENTS_EVENT_SUBJECT: &str = "cloudevents.event_subject";
pub const CLOUDEVENTS_EVENT_SPEC_VERSION: &str = "cloudevents.event_spec_version";

// HTTP.
pub const HTTP_REQUEST_METHOD: &str = "http.request.method";
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
pub const SERVER_ADDRESS: &str = "server.address";
pub const SERVER_PORT: &str = "server.port";
pub const URL_SCHEME: &str = "url.scheme";

// What went wrong: a stable code of this project, or an HTTP status.
pub const ERROR_TYPE: &str = "error.type";

// This project's own.
pub const SEQ: &str = "triphammer.seq";
pub const FUNCTION: &str = "triphammer.function";
pub const REVISION: &str = "triphammer.revision";
pub const ATTEMPT: &str = "triphammer.attempt";
pub const KEY: &str = "triphammer.key";
/// `committed`, `retry` or `dead`.
pub const OUTCOME: &str = "triphammer.outcome";
pub const EMITTED: &str = "triphammer.emitted";
/// Of a line of the host's own log: the module that wrote it.
pub const TARGET: &str = "triphammer.target";

/// Values that the conventions, or this project, have words for.
pub mod value {
    /// Of `messaging.system`, and the name of the scope.
    pub const SYSTEM: &str = "triphammer";
    /// Of `messaging.operation.name`: an event is taken in from a sender.
    pub const ACCEPT: &str = "accept";
    /// Of `messaging.operation.type`: an event is given to an intermediary, which this host is.
    pub const SEND: &str = "send";
    /// Of both: an event that the host makes itself.
    pub const CREATE: &str = "create";
    /// Of both: an attempt at a delivery.
    pub const PROCESS: &str = "process";
    /// Of `faas.trigger`.
    pub const PUBSUB: &str = "pubsub";
    /// Of `faas.trigger`.
    pub const TIMER: &str = "timer";
    /// Of `cloudevents.event_spec_version`.
    pub const SPEC_VERSION: &str = "1.0";
    pub const COMMITTED: &str = "committed";
    pub const RETRY: &str = "retry";
    pub const DEAD: &str = "dead";
}

/// The name of an attribute for a field of the host's own log lines.
pub(crate) fn of_field(field: &str) -> &str {
    match field {
        "event" => SEQ,
        "function" => FUNCTION,
        "revision" => REVISION,
        "attempt" => ATTEMPT,
        "code" => ERROR_TYPE,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    /// Every text constant of this file, as the file itself says it.
    #[test]
    fn the_names_are_as_they_were() {
        let source = include_str!("semconv.rs").split("#[cfg(test)]").next().unwrap();
        let named = |line: &str| {
            let (_, value) = line.trim().strip_prefix("pub const ")?.split_once("= \"")?;
            Some(value.trim_end_matches("\";").to_owned())
        };
        let found: Vec<String> = source.lines().filter_map(named).collect();
        let golden: Vec<&str> = include_str!("semconv.golden").lines().collect();
        assert_eq!(found, golden, "\n{}", found.join("\n"));
    }
}
