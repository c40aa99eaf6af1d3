//! A moving average of each device's readings, and an alarm when it leaves the range and another
//! event when it is back. One noisy reading raises nothing; a lasting change does, once.

use serde::{Deserialize, Serialize};
use triphammer_sdk::{Context, Event, Fault, Json, NewEvent, function};

const WINDOW_DEFAULT: usize = 5;
/// What is kept of a device is bounded, whatever the configuration says.
const WINDOW_MAX: usize = 1000;
const LIMIT_DEFAULT: f64 = 80.0;

#[derive(Deserialize)]
struct Reading {
    value: f64,
}

/// What is kept of a device.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
struct Device {
    /// The newest readings, the newest last; as many as the window has.
    recent: Vec<f64>,
    alarmed: bool,
}

/// The payload of both events, and the reply.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Average {
    average: f64,
    limit: f64,
    alarmed: bool,
}

#[function(on = "device.reading", key = "subject", timeout = "1s")]
fn devices(event: Event<Reading>, ctx: &mut Context) -> Result<Json<Average>, Fault> {
    let window = setting(ctx, "window", WINDOW_DEFAULT)?.clamp(1, WINDOW_MAX);
    let limit = setting(ctx, "limit", LIMIT_DEFAULT)?;

    let mut device: Device = ctx.state().get("device")?.unwrap_or_default();
    let was_alarmed = device.alarmed;
    let average = device.take(event.data.value, window);
    device.alarmed = average > limit;
    ctx.state().set("device", &device)?;

    let average = Average { average, limit, alarmed: device.alarmed };
    if device.alarmed != was_alarmed {
        let ty = if device.alarmed { "device.alarm" } else { "device.recovered" };
        let id = event.subject().unwrap_or_default();
        ctx.emit(NewEvent::new(ty).subject(id).json(&average)?)?;
    }
    Ok(Json(average))
}

impl Device {
    /// Takes a reading in, and returns the average of the window.
    fn take(&mut self, value: f64, window: usize) -> f64 {
        self.recent.push(value);
        let excess = self.recent.len().saturating_sub(window);
        self.recent.drain(..excess);
        // Each part is divided before it is added, so that no sum of readings is too large.
        let count = self.recent.len() as f64;
        self.recent.iter().map(|value| value / count).sum()
    }
}

/// A wrong setting is a reject that names it: it needs a new deploy, not another attempt.
fn setting<T: std::str::FromStr>(ctx: &Context, name: &str, default: T) -> Result<T, Fault> {
    let Some(text) = ctx.config(name) else { return Ok(default) };
    text.parse()
        .map_err(|_| Fault::reject(format!("the setting `{name}` is `{text}`, not a number")))
}

#[cfg(test)]
mod tests {
    use triphammer_sdk::testing::{Host, event};

    use super::*;

    fn host() -> Host {
        Host::new().keyed_by("subject").config("window", "3").config("limit", "50")
    }

    /// The types of the events that a reading leads to, and the average after it.
    fn read(host: &mut Host, device: &str, value: f64) -> (Vec<String>, f64) {
        let reading =
            event("device.reading").subject(device).data(format!(r#"{{"value": {value:e}}}"#));
        let done = host.call(devices, reading).unwrap();
        let average: Average = done.reply_json();
        (done.emitted.into_iter().map(|event| event.ty).collect(), average.average)
    }

    #[test]
    fn the_average_moves_over_the_window() {
        let mut host = host();
        let averages = [3.0, 6.0, 9.0, 12.0].map(|value| read(&mut host, "a", value).1);
        assert_eq!(averages, [3.0, 4.5, 6.0, 9.0]);
        let device: Device = host.state_of(Some("a"), "device").unwrap();
        assert_eq!(device.recent, [6.0, 9.0, 12.0]);
    }

    #[test]
    fn an_alarm_is_raised_once_and_taken_back_once() {
        let mut host = host();
        let values = [40.0, 40.0, 90.0, 90.0, 90.0, 10.0, 10.0, 10.0];
        let events: Vec<String> =
            values.iter().flat_map(|value| read(&mut host, "a", *value).0).collect();
        assert_eq!(events, ["device.alarm", "device.recovered"]);
    }

    #[test]
    fn devices_have_nothing_in_common() {
        let mut host = host();
        assert_eq!(read(&mut host, "a", 90.0).0, ["device.alarm"]);
        assert!(read(&mut host, "b", 10.0).0.is_empty());
        assert_eq!(host.state_of::<Device>(Some("b"), "device").unwrap().recent, [10.0]);
    }

    #[test]
    fn a_reading_that_is_no_number_is_refused() {
        for data in [r#"{"value": "warm"}"#, "{}", "", "[", r#"{"value": 1e999}"#] {
            let fault = host().call(devices, event("device.reading").subject("a").data(data));
            assert!(matches!(fault, Err(Fault::Reject { .. })), "{data}");
        }
    }

    #[test]
    fn a_wrong_setting_is_named() {
        let mut host = Host::new().keyed_by("subject").config("limit", "hot");
        let reading = event("device.reading").subject("a").data(r#"{"value": 1}"#);
        let fault = host.call(devices, reading).unwrap_err();
        assert_eq!(fault, Fault::reject("the setting `limit` is `hot`, not a number"));
    }

    #[test]
    fn the_largest_readings_keep_an_average() {
        let mut host = host();
        read(&mut host, "a", 1e308);
        assert_eq!(read(&mut host, "a", 1e308).1, 1e308);
    }
}
