//! How the view looks: a line for each event, one below it for each attempt, and what came of it
//! further in.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::Paragraph;

use super::groups::{Group, Leg, Outcome, Place, Try};
use super::state::{Mode, State, Story};
use crate::output::{BAD, GOOD, NOTE, count, millis};
use crate::screen::{bar, bold, colour, dim, popup};

const KEYS: &str = "? help  / find  space stop  ↑↓ move  enter story  q quit";
const STORY_KEYS: &str = "↑↓ move  r read again  esc back  q quit";
const HELP: [(&str, &str); 8] = [
    ("↑ ↓ j k", "move from event to event"),
    ("PgUp PgDn", "move over ten"),
    ("g G", "the oldest, the newest: from there the list follows"),
    ("/", "find: type, subject, function, error, or #SEQ; esc ends it"),
    ("space", "stop the picture, and let it go on"),
    ("enter", "the event's whole tree"),
    ("?", "this"),
    ("q", "quit, as ctrl-c does"),
];
/// Further in nothing is indented.
const DEPTH_MAX: usize = 12;

pub(super) fn draw(state: &mut State, frame: &mut Frame<'_>) {
    let parts = [Constraint::Length(1), Constraint::Min(0), Constraint::Length(1)];
    let [head, body, foot] = Layout::vertical(parts).areas(frame.area());
    let is_story = matches!(state.mode, Mode::Story(_));
    let right = if is_story { Line::default() } else { counters(state) };
    bar(frame, head, title(state), right);
    if let Mode::Story(story) = &mut state.mode {
        draw_story(story, frame, body);
        return bar(frame, foot, dim(STORY_KEYS).into(), Line::default());
    }
    draw_list(state, frame, body);
    match state.mode {
        Mode::Find => bar(frame, foot, format!("/{}▏", state.wanted).into(), Line::default()),
        _ if !state.wanted.is_empty() => {
            let found = format!("found: {}", state.wanted);
            bar(frame, foot, Span::styled(found, colour(NOTE)).into(), dim("esc ends it").into());
        }
        _ => bar(frame, foot, dim(KEYS).into(), Line::default()),
    }
    if matches!(state.mode, Mode::Help) {
        let line = |(key, what): &(&str, &str)| {
            Line::from(vec![bold(format!("{key:<11}")), (*what).to_owned().into()])
        };
        popup(frame, "keys", HELP.iter().map(line).collect());
    }
}

fn title(state: &State) -> Line<'static> {
    let mut spans = vec![bold("trip tail"), format!("  {}", state.title).into()];
    if let Mode::Story(Story { seq, .. }) = &state.mode {
        spans.push(format!("  #{seq}").into());
    }
    spans.into()
}

fn counters(state: &State) -> Line<'static> {
    let mut parts = vec![dim(format!("{}/s", count(state.per_second)))];
    if state.missed > 0 {
        parts.push(Span::styled(format!("{} missed", count(state.missed)), colour(NOTE)));
    }
    if state.is_lost {
        parts.push(Span::styled("no connection, trying again", colour(BAD)));
    }
    parts.push(match (state.is_stopped(), state.cursor) {
        (true, _) => Span::styled(format!("stopped, {} since", count(state.since)), colour(NOTE)),
        (false, None) => Span::styled("follows", colour(GOOD)),
        (false, Some(_)) => dim("G follows"),
    });
    let dots = std::iter::repeat(dim(" · "));
    let joined = parts.into_iter().zip(dots).flat_map(|(part, dot)| [dot, part]);
    Line::from(joined.skip(1).collect::<Vec<_>>())
}

fn draw_story(story: &Story, frame: &mut Frame<'_>, area: Rect) {
    let text = match &story.lines {
        None => Text::from(dim("reading …")),
        Some(lines) => {
            let height = usize::from(area.height);
            Text::from_iter(lines.iter().skip(story.top).take(height).cloned())
        }
    };
    frame.render_widget(Paragraph::new(text), area);
}

fn draw_list(state: &mut State, frame: &mut Frame<'_>, area: Rect) {
    let places = state.places();
    let Some(cursor) = state.cursor_in(&places) else {
        let hint = match state.wanted.as_str() {
            "" => "nothing has happened yet: send an event with `trip send TYPE`",
            _ => "nothing has it",
        };
        return frame.render_widget(Paragraph::new(dim(hint)), area);
    };
    let height = usize::from(area.height);
    let heights: Vec<usize> = places.iter().map(|place| height_of(state, *place)).collect();
    let first = first_line(&heights, cursor, state.above, height);
    let before: usize = heights[..cursor].iter().sum();
    state.above = before.saturating_sub(first);

    let mut lines = Vec::with_capacity(height);
    let mut at = 0;
    for (index, place) in places.iter().enumerate() {
        if at >= first + height {
            break;
        }
        if at + heights[index] > first
            && let Some(group) = state.groups().of(place.seq)
        {
            let all = group_lines(*place, group, index == cursor);
            let shown = all.into_iter().skip(first.saturating_sub(at));
            lines.extend(shown.take(height - lines.len()));
        }
        at += heights[index];
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn height_of(state: &State, place: Place) -> usize {
    state.groups().of(place.seq).map_or(0, Group::height)
}

/// Of all lines the first that is shown: the cursor stays where it was on the screen, if its whole
/// event is to be seen there.
fn first_line(heights: &[usize], cursor: usize, above: usize, height: usize) -> usize {
    let total: usize = heights.iter().sum();
    let begin: usize = heights[..cursor].iter().sum();
    let end = begin + heights[cursor];
    let is_last = cursor + 1 == heights.len();
    let wanted = if is_last { total.saturating_sub(height) } else { begin.saturating_sub(above) };
    // Its end, then its beginning, which counts more.
    wanted.max(end.saturating_sub(height)).min(begin).min(total.saturating_sub(height))
}

fn group_lines(place: Place, group: &Group, is_chosen: bool) -> Vec<Line<'static>> {
    let mut lines = vec![event_line(place, group, is_chosen)];
    for leg in &group.legs {
        lines.extend(leg.tries.iter().map(|one| try_line(place, leg, one)));
    }
    lines
}

fn event_line(Place { seq, depth }: Place, group: &Group, is_chosen: bool) -> Line<'static> {
    let mark = if is_chosen { bold("› ") } else { "  ".into() };
    let fork = if depth > 0 { "└ " } else { "" };
    let name = match group.ty.as_str() {
        // It came in before anybody watched.
        "" => bold(format!("#{seq}")),
        ty => bold(ty.to_owned()),
    };
    let mut spans = vec![mark, dim(format!("{:<12} ", group.time)), indent(depth), dim(fork), name];
    if !group.subject.is_empty() {
        spans.push(format!(" · {}", group.subject).into());
    }
    if !group.ty.is_empty() {
        spans.push(to(group));
        spans.push(dim(format!("  #{seq}")));
    }
    spans.into()
}

fn to(group: &Group) -> Span<'static> {
    let more = match group.functions_left_out {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    match group.functions.as_slice() {
        [] => dim("  no function"),
        functions => format!(" → {}{more}", functions.join(", ")).into(),
    }
}

fn try_line(Place { depth, .. }: Place, leg: &Leg, one: &Try) -> Line<'static> {
    let took = one.took_ms.map(|ms| format!(" {}", millis(ms))).unwrap_or_default();
    let after = one.took_ms.map(|ms| format!(" after {}", millis(ms))).unwrap_or_default();
    let attempt = one.attempt;
    let (mark, text) = match &one.outcome {
        Outcome::Running => (dim("…"), format!("attempt {attempt} runs")),
        Outcome::Committed if attempt > 1 => {
            (Span::styled("✓", colour(GOOD)), format!("committed{took}, attempt {attempt}"))
        }
        Outcome::Committed => (Span::styled("✓", colour(GOOD)), format!("committed{took}")),
        Outcome::Retried { due, .. } => {
            let text = format!("attempt {attempt} failed{after}, again at {due}");
            (Span::styled("↻", colour(NOTE)), text)
        }
        Outcome::Dead { .. } => (Span::styled("✗", colour(BAD)), format!("dead{after}")),
    };
    let name = match one.revision.as_str() {
        "" => leg.function.clone(),
        revision => format!("{} {revision}", leg.function),
    };
    let fork = if depth > 0 { "    " } else { "  " };
    let mut spans = vec![" ".repeat(15).into(), indent(depth), fork.into(), name.into()];
    spans.extend([" ".into(), mark, format!(" {text}").into()]);
    if let Some(error) = one.error() {
        spans.push(Span::styled(format!("  {}", error.code), colour(BAD)));
        spans.push(format!(" {}", error.message).into());
    }
    spans.into()
}

fn indent(depth: usize) -> Span<'static> {
    "  ".repeat(depth.min(DEPTH_MAX).saturating_sub(1)).into()
}

#[cfg(test)]
mod tests;
