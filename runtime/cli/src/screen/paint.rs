//! Colours and frames that the views share, by meaning.

use anstyle::AnsiColor;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Padding, Paragraph};

/// What `output` paints text with, as the terminal's own colours.
pub(crate) fn colour(style: anstyle::Style) -> Style {
    let mut into = Style::new();
    into = match style.get_fg_color() {
        Some(anstyle::Color::Ansi(AnsiColor::Red)) => into.fg(Color::Red),
        Some(anstyle::Color::Ansi(AnsiColor::Green)) => into.fg(Color::Green),
        Some(anstyle::Color::Ansi(AnsiColor::Yellow)) => into.fg(Color::Yellow),
        _ => into,
    };
    let effects = style.get_effects();
    if effects.contains(anstyle::Effects::BOLD) {
        into = into.add_modifier(Modifier::BOLD);
    }
    if effects.contains(anstyle::Effects::DIMMED) {
        into = into.add_modifier(Modifier::DIM);
    }
    into
}

pub(crate) fn dim(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::DIM))
}

pub(crate) fn bold(text: impl Into<String>) -> Span<'static> {
    Span::styled(text.into(), Style::new().add_modifier(Modifier::BOLD))
}

/// What the left end of a bar keeps, in columns, when there is little room.
const LEFT_MIN: u16 = 10;

/// A line with something at each end. The left end is cut where the right one begins.
pub(crate) fn bar(frame: &mut Frame<'_>, area: Rect, left: Line<'_>, right: Line<'_>) {
    let width = u16::try_from(right.width()).unwrap_or(u16::MAX);
    let fits = width > 0 && width.saturating_add(LEFT_MIN) <= area.width;
    let parts = [Constraint::Min(0), Constraint::Length(if fits { width + 2 } else { 0 })];
    let [begin, end] = Layout::horizontal(parts).areas(area);
    frame.render_widget(Paragraph::new(left), begin);
    frame.render_widget(Paragraph::new(right).right_aligned(), end);
}

/// Lines in a frame over the middle of everything else.
pub(crate) fn popup(frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'_>>) {
    let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(title.len() + 2);
    let width = u16::try_from(widest).unwrap_or(u16::MAX).saturating_add(4);
    let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2);
    let area = frame.area().centered(Constraint::Length(width), Constraint::Length(height));
    let block = Block::bordered().title(format!(" {title} ")).padding(Padding::horizontal(1));
    frame.render_widget(Clear, area);
    frame.render_widget(Paragraph::new(lines).block(block), area);
}
