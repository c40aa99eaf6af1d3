//! How the view looks: the host's figures, a curve of what it committed, and its functions.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, RenderDirection, Sparkline};

use super::overview::{HEADINGS, Load, Overview};
use super::state::{ORDERS, State};
use crate::output::{BAD, GOOD, NOTE, clip, count, short_time};
use crate::screen::{bar, bold, colour, dim, popup};

const KEYS: &str = "? help  n c e d o l h sort  space stop  ↑↓ scroll  q quit";
const HELP: [(&str, &str); 11] = [
    ("n", "sort by name; the same key again turns it round"),
    ("c", "by what is committed per second"),
    ("e", "by what is tried again per second"),
    ("d", "by dead letters"),
    ("o", "by open deliveries"),
    ("l", "by latency, the 99th of a hundred"),
    ("h", "by the time that an attempt takes"),
    ("space", "stop the figures, and let them go on"),
    ("↑ ↓ j k", "scroll"),
    ("?", "this"),
    ("q", "quit, as ctrl-c does"),
];
const CURVE_HEIGHT: u16 = 4;
const NAME_MAX: usize = 32;

pub(super) fn draw(state: &mut State, frame: &mut Frame<'_>) {
    let parts = [
        Constraint::Length(1),
        Constraint::Length(3),
        Constraint::Length(CURVE_HEIGHT),
        Constraint::Min(0),
        Constraint::Length(1),
    ];
    let [head, host, curve, body, foot] = Layout::vertical(parts).areas(frame.area());
    let title = vec![bold("trip top"), format!("  {}", state.title).into()];
    bar(frame, head, title.into(), condition(state));
    match &state.overview {
        None => frame.render_widget(Paragraph::new(dim("waiting for the first figures …")), host),
        Some(overview) => {
            let lines = overview.lines().map(|parts| Line::from(parts.join("   ")));
            frame.render_widget(Paragraph::new(lines.to_vec()), host);
            draw_curve(state, frame, curve);
            draw_functions(state, overview, frame, body);
        }
    }
    bar(frame, foot, dim(KEYS).into(), Line::default());
    if state.has_help {
        let line = |(key, what): &(&str, &str)| {
            Line::from(vec![bold(format!("{key:<9}")), (*what).to_owned().into()])
        };
        popup(frame, "keys", HELP.iter().map(line).collect());
    }
}

/// Whether what is seen is how things are.
fn condition(state: &State) -> Line<'static> {
    let at = state.overview.as_ref().map_or("", |all| short_time(&all.at));
    let at = dim(format!("{}  ", clip(at, NAME_MAX)));
    let condition = match (state.is_lost, state.is_stopped) {
        (true, _) => Span::styled("no connection, trying again", colour(BAD)),
        (false, true) => Span::styled("stopped", colour(NOTE)),
        (false, false) => Span::styled("live", colour(GOOD)),
    };
    Line::from(vec![at, condition])
}

fn draw_curve(state: &State, frame: &mut Frame<'_>, area: Rect) {
    let [label, bars] = Layout::vertical([Constraint::Length(1), Constraint::Min(0)]).areas(area);
    let newest_first: Vec<u64> =
        state.history.iter().rev().take(usize::from(area.width)).copied().collect();
    let highest = newest_first.iter().max().copied().unwrap_or(0);
    let seconds = newest_first.len();
    let text = format!("committed/s, last {seconds} s, at most {}", count(highest));
    frame.render_widget(Paragraph::new(dim(text)), label);
    let curve = Sparkline::default().direction(RenderDirection::RightToLeft).style(colour(GOOD));
    frame.render_widget(curve.data(newest_first).max(highest.max(1)), bars);
}

fn draw_functions(state: &State, overview: &Overview, frame: &mut Frame<'_>, area: Rect) {
    let functions = state.functions();
    if functions.is_empty() {
        let hint = "no functions yet: begin one with `trip new NAME`";
        return frame.render_widget(Paragraph::new(dim(hint)), area);
    }
    // What is there may be less than when the list was scrolled.
    let top = state.top.min(functions.len() - 1);
    let rows: Vec<_> = functions.iter().map(|load| load.cells()).collect();
    let mut widths = HEADINGS.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count().min(NAME_MAX));
        }
    }
    let mut lines = vec![heading(state, &widths)];
    let shown = usize::from(area.height).saturating_sub(1);
    for (load, cells) in functions.iter().zip(&rows).skip(top).take(shown) {
        lines.push(row(load, cells, &widths));
    }
    if overview.functions_left_out > 0 && lines.len() < usize::from(area.height) {
        let more = format!("and {} more with less to do", count(overview.functions_left_out));
        lines.push(dim(more).into());
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn heading(state: &State, widths: &[usize; 13]) -> Line<'static> {
    let chosen = ORDERS.iter().find(|(_, order, _)| *order == state.order);
    let chosen = chosen.map_or("", |(_, _, column)| *column);
    let mut spans = Vec::new();
    for (index, (name, width)) in HEADINGS.iter().zip(widths).enumerate() {
        let text = aligned(index, name, *width);
        spans.push(if *name == chosen { bold(text) } else { dim(text) });
    }
    spans.into()
}

fn row(load: &Load, cells: &[String; 13], widths: &[usize; 13]) -> Line<'static> {
    let mut spans = Vec::new();
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let text = aligned(index, cell, *width);
        spans.push(match HEADINGS[index] {
            "FUNCTION" => bold(text),
            "ACTIVE" if load.paused => Span::styled(text, colour(NOTE)),
            "RETRY/S" if load.rates.retried > 0.0 => Span::styled(text, colour(NOTE)),
            "DEAD/S" if load.rates.dead > 0.0 => Span::styled(text, colour(BAD)),
            "DEAD" if load.queue.dead_now > 0 => Span::styled(text, colour(BAD)),
            _ => text.into(),
        });
    }
    spans.into()
}

/// Names on the left of their column, figures on the right.
fn aligned(index: usize, text: &str, width: usize) -> String {
    let text = clip(text, width);
    if index < 2 { format!("{text:<width$}  ") } else { format!("{text:>width$}  ") }
}

#[cfg(test)]
mod tests {
    use ratatui::crossterm::event::KeyCode;

    use super::super::overview::testing::overview;
    use super::*;
    use crate::screen::testing::picture;

    fn state() -> State {
        let mut state = State::new("http://127.0.0.1:7070".to_owned());
        for committed in [0.0, 300.0, 575.0] {
            let mut overview = overview();
            overview.rates.committed = committed;
            state.take(overview);
        }
        state.take(overview());
        state
    }

    #[test]
    fn the_host_is_above_its_functions() {
        let mut state = state();
        let found = picture(110, 13, |frame| draw(&mut state, frame));
        let expect = "\
trip top  http://127.0.0.1:7070                                                             03:04:05.678  live
in 1,200/s   committed 1,150/s   retried 3.5/s   dead 0.2/s
queue 40 ready   2 running   10 waiting   5 blocked   7 dead letters   lag 1.5 s
latency p50 2.00 ms p99 40.0 ms   handling p50 0.40 ms p99 3.00 ms   sync p50 - p99 -   disk 31.2 GB free
committed/s, last 4 s, at most 1,150
                                                                                                             █
                                                                                                            ▄█
                                                                                                           ▆██
FUNCTION  ACTIVE  COMMIT/S  RETRY/S  DEAD/S  READY  RUN  WAIT  BLOCK  DEAD      P50      P99  HANDLING
orders    r2         1,100      3.5     0.2     40    2    10      5     7  2.00 ms  40.0 ms   0.50 ms
mail      paused         0        0       0      0    0     0      0     0        -        -         -
and 3 more with less to do
? help  n c e d o l h sort  space stop  ↑↓ scroll  q quit
";
        assert_eq!(found, expect, "\n{found}");
    }

    #[test]
    fn what_can_be_pressed_and_what_is_wrong_is_said() {
        let mut state = state();
        state.key(KeyCode::Char('?'));
        let help = picture(80, 20, |frame| draw(&mut state, frame));
        assert!(help.contains("by dead letters"), "{help}");
        state.key(KeyCode::Esc);
        state.key(KeyCode::Char(' '));
        assert!(picture(80, 20, |frame| draw(&mut state, frame)).contains("stopped\n"));
        state.set_lost(true);
        assert!(picture(80, 20, |frame| draw(&mut state, frame)).contains("no connection"));
    }

    #[test]
    fn nothing_and_no_room_are_drawn_too() {
        let mut nothing = State::new("host".to_owned());
        let found = picture(60, 12, |frame| draw(&mut nothing, frame));
        assert!(found.contains("waiting for the first figures"), "{found}");
        nothing.take(Overview::default());
        let found = picture(60, 12, |frame| draw(&mut nothing, frame));
        assert!(found.contains("no functions yet"), "{found}");
        let mut state = state();
        state.key(KeyCode::End);
        for (width, height) in [(1, 1), (7, 3), (20, 9), (200, 50)] {
            picture(width, height, |frame| draw(&mut state, frame));
        }
    }
}
