//! Chromium, driven over WebDriver: real clicks and keys on real pages. Knows no page.
//!
//! One browser at a time, whatever runs beside it. What a test waits for is a condition that the
//! page itself watches, so nothing is asked again and again.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::http::{Connection, Request};

/// What an element is in the answers of WebDriver.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How long a condition may take before the test gives up, in milliseconds.
const WAIT_MS: u32 = 30_000;
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
];

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    connection: Connection,
    session: String,
    _profile: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Browser {
    /// None where there is none on this machine and none is required, which is said.
    pub(crate) fn find() -> Option<Self> {
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(mut driver) = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
        else {
            let required = std::env::var_os("TRIPHAMMER_BROWSER").is_some_and(|v| v == "required");
            assert!(!required, "there is no `chromedriver`, and TRIPHAMMER_BROWSER=required");
            eprintln!("no `chromedriver` on this machine: the dashboard was not looked at");
            return None;
        };
        let connection = Connection::open(address(&mut driver)).unwrap();
        let profile = tempfile::tempdir().unwrap();
        let session = String::new();
        let mut browser = Self { driver, connection, session, _profile: profile, _alone: alone };
        browser.begin();
        Some(browser)
    }

    fn begin(&mut self) {
        let profile = format!("--user-data-dir={}", self._profile.path().display());
        let args: Vec<&str> = ARGUMENTS.into_iter().chain([profile.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": args },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "script": WAIT_MS, "pageLoad": WAIT_MS },
        } } });
        let session = self.ask("POST", "/session", &wanted);
        self.session = format!("/session/{}", session["sessionId"].as_str().unwrap());
        self.resize(1280, 800);
    }

    #[track_caller]
    fn ask(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let request = Request::new(method, path);
        let request = if method == "POST" { request.json(body) } else { request };
        let mut answer = self.connection.send(&request).unwrap();
        let mut value: Value = serde_json::from_slice(&answer.body).unwrap();
        answer.body.clear();
        let value = value["value"].take();
        let shown = || self.session.clone();
        assert_eq!(answer.status, 200, "{method} {} {path}: {}", shown(), value["message"]);
        value
    }

    #[track_caller]
    fn command(&mut self, path: &str, body: &Value) -> Value {
        let path = format!("{}{path}", self.session);
        self.ask("POST", &path, body)
    }

    /// Opens an address, from nothing: not within the page that is there.
    #[track_caller]
    pub(crate) fn open(&mut self, url: &str) {
        self.command("/url", &json!({ "url": "about:blank" }));
        self.command("/url", &json!({ "url": url }));
    }

    /// The width and height that the page sees.
    #[track_caller]
    pub(crate) fn resize(&mut self, width: u32, height: u32) {
        let params = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &params);
    }

    #[track_caller]
    pub(crate) fn devtools(&mut self, command: &str, params: &Value) {
        self.command("/goog/cdp/execute", &json!({ "cmd": command, "params": params }));
    }

    /// What a script returns.
    #[track_caller]
    pub(crate) fn run(&mut self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until an expression is true, and returns what it is.
    #[track_caller]
    pub(crate) fn wait(&mut self, expression: &str) -> Value {
        // The script is not the page's, so the page's policy does not hold for it.
        let script = format!(
            "const done = arguments[arguments.length - 1], began = Date.now();
             const look = () => {{ let found; try {{ found = ({expression}); }} catch {{}} return found; }};
             const watch = new MutationObserver(step), timer = setInterval(step, 100);
             function step() {{
               const found = look(), late = Date.now() - began > {WAIT_MS} - 2000;
               if (!found && !late) return;
               watch.disconnect(); clearInterval(timer);
               done(found ? {{ found }} : {{ late: document.body.innerText.slice(0, 4000) }});
             }}
             watch.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
             step();"
        );
        let mut answer = self.command("/execute/async", &json!({ "script": script, "args": [] }));
        let late = answer["late"].as_str();
        assert!(late.is_none(), "waited for {expression}; the page says:\n{}", late.unwrap());
        answer["found"].take()
    }

    /// The first element of these that is to be seen and has this text; its id.
    #[track_caller]
    fn find_element(&mut self, css: &str, text: &str) -> String {
        let expression = format!(
            "[...document.querySelectorAll({})].find(e => !e.disabled && e.checkVisibility() && \
             (e.textContent + (e.value ?? '')).includes({}))",
            json!(css),
            json!(text)
        );
        self.wait(&expression)[ELEMENT].as_str().unwrap().to_owned()
    }

    /// Waits until an element has this text.
    #[track_caller]
    pub(crate) fn see(&mut self, css: &str, text: &str) {
        self.find_element(css, text);
    }

    #[track_caller]
    pub(crate) fn click(&mut self, css: &str, text: &str) {
        let element = self.find_element(css, text);
        self.command(&format!("/element/{element}/click"), &json!({}));
    }

    /// Writes into a field what is to stand in it.
    #[track_caller]
    pub(crate) fn fill(&mut self, css: &str, text: &str) {
        let element = self.find_element(css, "");
        self.command(&format!("/element/{element}/clear"), &json!({}));
        self.command(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    #[track_caller]
    pub(crate) fn choose(&mut self, css: &str, value: &str) {
        let option = json!(format!("{css} option[value='{value}']"));
        let found = self.wait(&format!("document.querySelector({option})"));
        let element = found[ELEMENT].as_str().unwrap().to_owned();
        self.command(&format!("/element/{element}/click"), &json!({}));
    }

    #[track_caller]
    pub(crate) fn upload(&mut self, css: &str, file: &Path) {
        let element = self.find_element(css, "");
        let text = file.to_str().unwrap();
        self.command(&format!("/element/{element}/value"), &json!({ "text": text }));
    }

    /// Presses keys, one after the other, wherever the focus is. `\u{e00c}` is Escape, `\u{e007}`
    /// Enter.
    #[track_caller]
    pub(crate) fn press(&mut self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| ["keyDown", "keyUp"].map(|ty| json!({ "type": ty, "value": key })))
            .collect();
        let actions = json!({ "actions": [{ "type": "key", "id": "keys", "actions": strokes }] });
        self.command("/actions", &actions);
    }

    /// What the page has complained of since it was asked last; refusals of the host that a test
    /// means to get are left out.
    #[track_caller]
    pub(crate) fn complaints(&mut self, expected: &[&str]) -> Vec<String> {
        let log = self.command("/se/log", &json!({ "type": "browser" }));
        let entries = log.as_array().cloned().unwrap_or_default().into_iter();
        let texts = entries.map(|entry| entry["message"].as_str().unwrap_or_default().to_owned());
        texts.filter(|text| !expected.iter().any(|part| text.contains(part))).collect()
    }

    /// The page as a PNG in Base64.
    #[track_caller]
    pub(crate) fn screenshot(&mut self) -> String {
        let path = format!("{}/screenshot", self.session);
        self.ask("GET", &path, &Value::Null).as_str().unwrap().to_owned()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Ends Chromium; the driver has no other way to be told.
        if !self.session.is_empty() {
            let _ = self.connection.send(&Request::new("DELETE", self.session.clone()));
        }
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// The driver chooses a free port, and says which.
fn address(driver: &mut Child) -> SocketAddr {
    let output = driver.stdout.take().unwrap();
    let mut lines = BufReader::new(output).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("successfully on port"));
    let line = line.expect("chromedriver names its port");
    // Whatever it says later has somewhere to go.
    thread::spawn(move || lines.for_each(drop));
    let digits: String = line.chars().rev().skip_while(|c| !c.is_ascii_digit()).collect();
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let port: String = digits.chars().rev().collect();
    ([127, 0, 0, 1], port.parse().unwrap()).into()
}
