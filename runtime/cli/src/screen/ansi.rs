//! Text with the colours of `output` as lines of a picture. Knows only the codes that are written
//! there; others are left out.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

pub(crate) fn lines(text: &str) -> Vec<Line<'static>> {
    text.lines().map(line).collect()
}

fn line(text: &str) -> Line<'static> {
    let mut spans = Vec::new();
    let mut style = Style::new();
    let mut parts = text.split('\u{1b}');
    spans.extend(parts.next().map(|plain| Span::raw(plain.to_owned())));
    for part in parts {
        // Each is `[CODES` up to `m`, and the text behind it.
        let (codes, rest) = match part.strip_prefix('[').and_then(|part| part.split_once('m')) {
            Some(found) => found,
            None => ("", part),
        };
        style = codes.split(';').fold(style, changed);
        spans.push(Span::styled(rest.to_owned(), style));
    }
    spans.retain(|span| !span.content.is_empty());
    Line::from(spans)
}

fn changed(style: Style, code: &str) -> Style {
    match code {
        "0" => Style::new(),
        "1" => style.add_modifier(Modifier::BOLD),
        "2" => style.add_modifier(Modifier::DIM),
        "31" => style.fg(Color::Red),
        "32" => style.fg(Color::Green),
        "33" => style.fg(Color::Yellow),
        _ => style,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{BAD, DIM, NAME, paint};

    #[test]
    fn colours_stay_and_codes_go() {
        let text = format!("a {}b\n{} {}", paint(BAD, "no"), paint(DIM, "dim"), paint(NAME, "n"));
        let lines = lines(&text);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].to_string(), "a nob");
        let bad = lines[0].spans[1].style;
        assert_eq!((bad.fg, bad.add_modifier), (Some(Color::Red), Modifier::BOLD));
        assert_eq!(lines[0].spans[2].style, Style::new());
        assert_eq!(lines[1].spans[0].style.add_modifier, Modifier::DIM);
        assert_eq!(lines[1].to_string(), "dim n");
    }

    #[test]
    fn what_is_no_code_is_text() {
        assert_eq!(lines("a\u{1b}b\u{1b}[9Zc")[0].to_string(), "ab[9Zc");
    }
}
